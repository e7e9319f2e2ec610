#pragma once

#include <node_api.h>

namespace atom::node {

void export_memory(napi_env env, napi_value exports);

}  // namespace atom::node
