// Turns a plain C++ function into a Node-API function. Every argument travels as a JavaScript number: integers,
// floats, and addresses (exact below 2^53). Checking belongs to the TypeScript caller, which knows shapes.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace atom::node {

template <class T>
T number_argument(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(static_cast<uintptr_t>(number));
  else return static_cast<T>(number);
}

template <class Fn>
struct Binding;

template <class R, class... A>
struct Binding<R(A...)> {
  static napi_value call(napi_env env, napi_callback_info info) { return call(env, info, std::index_sequence_for<A...>()); }

 private:
  template <size_t... I>
  static napi_value call(napi_env env, napi_callback_info info, std::index_sequence<I...>) {
    size_t count = sizeof...(A);
    napi_value values[sizeof...(A) + 1];
    void* function = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &function);
    if (count != sizeof...(A)) {
      napi_throw_type_error(env, nullptr, "native operator called with the wrong number of arguments");
      return nullptr;
    }
    R (*const target)(A...) = reinterpret_cast<R (*)(A...)>(function);
    if constexpr (std::is_void_v<R>) {
      target(number_argument<A>(env, values[I])...);
      return nullptr;
    } else {
      napi_value result = nullptr;
      napi_create_double(env, static_cast<double>(target(number_argument<A>(env, values[I])...)), &result);
      return result;
    }
  }
};

/// Adds `function` to `object` under `name`.
template <class R, class... A>
void bind(napi_env env, napi_value object, const char* name, R (*function)(A...)) {
  napi_value bound = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, Binding<R(A...)>::call, reinterpret_cast<void*>(function), &bound);
  napi_set_named_property(env, object, name, bound);
}

}  // namespace atom::node
