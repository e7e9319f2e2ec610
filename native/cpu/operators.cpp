// Compiled once per instruction set: gathers that set's operators into its table.
#include "operators.h"

namespace atom::ATOM_ISA {

#define ATOM_DECLARE(name, Fn) Fn name;
ATOM_OPERATORS(ATOM_DECLARE)
#undef ATOM_DECLARE

const Operators& operators() {
#define ATOM_ENTRY(name, Fn) name,
  static const Operators table = {ATOM_OPERATORS(ATOM_ENTRY)};
#undef ATOM_ENTRY
  return table;
}

}  // namespace atom::ATOM_ISA
