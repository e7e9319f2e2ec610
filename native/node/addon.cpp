// The add-on's one entry: memory, threads, and an object of operators per instruction set.
// No arithmetic here.
#include <string_view>

#include "../cpu/isa.h"
#include "../cpu/operators.h"
#include "../cpu/threads.h"
#include "bind.h"
#include "memory.h"

namespace atom::node {

namespace {

napi_value operator_table(napi_env env, const Operators& table) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
#define ATOM_BIND(name, Fn) bind(env, object, #name, table.name);
  ATOM_OPERATORS(ATOM_BIND)
#undef ATOM_BIND
  return object;
}

napi_value initialise(napi_env env, napi_value exports) {
  export_memory(env, exports);
  bind(env, exports, "threadCount", thread_count);
  bind(env, exports, "setThreadCount", set_thread_count);
  bind(env, exports, "physicalCores", physical_cores);

  // { avx512: { rms_norm, ... }, ... } with only the sets this machine can run, plainest first
  napi_value sets = nullptr;
  napi_create_object(env, &sets);
#define ATOM_SET(isa) \
  if (isa_supported(#isa)) napi_set_named_property(env, sets, #isa, operator_table(env, isa::operators()));
  ATOM_ISAS(ATOM_SET)
#undef ATOM_SET
  napi_set_named_property(env, exports, "isas", sets);
  return exports;
}

}  // namespace

}  // namespace atom::node

NAPI_MODULE(NODE_GYP_MODULE_NAME, atom::node::initialise)
