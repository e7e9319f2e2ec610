// The add-on's one entry: memory, threads, and an object of operators per instruction set.
// No arithmetic here. binding.gyp says which sets are linked: ATOM_LINKED_ISAS(X) is X(portable) X(avx2) or the like.
#include <vector>

#include "../cpu/faster_way.h"
#include "../cpu/isa.h"
#include "../cpu/operators.h"
#include "../cpu/processor.h"
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

napi_value names(napi_env env, const std::vector<const char*>& list) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, list.size(), &array);
  for (uint32_t i = 0; i < list.size(); ++i) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, list[i], NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, array, i, name);
  }
  return array;
}

napi_value initialise(napi_env env, napi_value exports) {
  export_memory(env, exports);
  bind(env, exports, "runCommands", run_commands);
  bind(env, exports, "threadCount", thread_count);
  bind(env, exports, "setThreadCount", set_thread_count);
  bind(env, exports, "physicalCores", physical_cores);
  bind(env, exports, "readsSideBySide", reads_side_by_side);
  bind(env, exports, "setReadsSideBySide", set_reads_side_by_side);
  bind(env, exports, "halvedProducts", halved_products);
  bind(env, exports, "setHalvedProducts", set_halved_products);

  // { avx512: { rms_norm, ... }, ... } with only the sets that are linked and this machine can run, plainest first
  napi_value sets = nullptr;
  napi_create_object(env, &sets);
#define ATOM_SET(isa) \
  if (isa_supported(#isa)) napi_set_named_property(env, sets, #isa, operator_table(env, isa::operators()));
  ATOM_LINKED_ISAS(ATOM_SET)
#undef ATOM_SET
  napi_set_named_property(env, exports, "isas", sets);

#define ATOM_NAME(isa) #isa,
  napi_set_named_property(env, exports, "linkedIsas", names(env, {ATOM_LINKED_ISAS(ATOM_NAME)}));
  std::vector<const char*> supported;
  for (const char* isa : {ATOM_ISAS(ATOM_NAME)}) {
    if (isa_supported(isa)) supported.push_back(isa);
  }
#undef ATOM_NAME
  napi_set_named_property(env, exports, "supportedIsas", names(env, supported));
  return exports;
}

}  // namespace

}  // namespace atom::node

NAPI_MODULE(NODE_GYP_MODULE_NAME, atom::node::initialise)
