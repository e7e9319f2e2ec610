// Native memory as ArrayBuffers: the bytes belong to native code, JavaScript sees a window that is detached on free.
#include "memory.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "../cpu/memory.h"
#include "bind.h"

namespace atom::node {

namespace {

void no_finalizer(napi_env, void*, void*) {}

// -> { buffer: ArrayBuffer, address: number }
napi_value window(napi_env env, void* address, size_t bytes) {
  napi_value buffer = nullptr, number = nullptr, result = nullptr;
  napi_create_external_arraybuffer(env, address, bytes, no_finalizer, nullptr, &buffer);
  napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(address)), &number);
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "buffer", buffer);
  napi_set_named_property(env, result, "address", number);
  return result;
}

napi_value allocate_window(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  const auto bytes = number_argument<size_t>(env, value);
  void* address = allocate(bytes);
  if (!address) return nullptr;
  return window(env, address, bytes);
}

napi_value map_window(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value values[3];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  size_t length = 0;
  napi_get_value_string_utf8(env, values[0], nullptr, 0, &length);
  std::string path(length, '\0');
  napi_get_value_string_utf8(env, values[0], path.data(), length + 1, &length);
  const auto offset = number_argument<size_t>(env, values[1]);
  const auto bytes = number_argument<size_t>(env, values[2]);
  void* address = map_file(path.c_str(), offset, bytes);
  if (!address) {
    napi_throw_error(env, nullptr, std::strerror(errno));
    return nullptr;
  }
  return window(env, address, bytes);
}

// Detaches the JavaScript window, then frees: a stale view reads length 0 instead of freed memory.
template <void (*Free)(void*, size_t)>
napi_value free_window(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value buffer;
  napi_get_cb_info(env, info, &count, &buffer, nullptr, nullptr);
  void* address = nullptr;
  size_t bytes = 0;
  if (napi_get_arraybuffer_info(env, buffer, &address, &bytes) != napi_ok || !address) return nullptr;
  napi_detach_arraybuffer(env, buffer);
  Free(address, bytes);
  return nullptr;
}

void add(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

void export_memory(napi_env env, napi_value exports) {
  add(env, exports, "allocate", allocate_window);
  add(env, exports, "mapFile", map_window);
  add(env, exports, "release", free_window<release>);
  add(env, exports, "unmapFile", free_window<unmap_file>);
  bind(env, exports, "dropPages", drop_pages);
  bind(env, exports, "prefetchPages", prefetch_pages);
  bind(env, exports, "pageBytes", page_bytes);
  bind(env, exports, "liveBytes", live_bytes);
  bind(env, exports, "liveBlocks", live_blocks);
}

}  // namespace atom::node
