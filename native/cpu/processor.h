// What differs between processors that have the same instructions.
#pragma once

namespace atom {

/// Whether weights that pass once come in sooner from several places at once than from one (streams.h).
bool reads_side_by_side();

/// Changes that, for tests; takes effect before the next job.
void set_reads_side_by_side(bool yes);

}  // namespace atom
