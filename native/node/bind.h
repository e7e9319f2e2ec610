// Turns a plain C++ function into a Node-API function. Every argument travels as a JavaScript number: integers,
// floats, and addresses (exact below 2^53). Checking belongs to the TypeScript caller, which knows shapes.
// Functions that give nothing can be called by the list, too: many for one crossing (src/backend/cpu/command-list.ts).
#pragma once

#include <node_api.h>

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace atom::node {

template <class T>
T argument(double number) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(static_cast<uintptr_t>(number));
  else return static_cast<T>(number);
}

template <class T>
T number_argument(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return argument<T>(number);
}

/// A function that a list of commands may name, by its place among those bound.
struct Command {
  void (*call)(void* function, const double* arguments);
  void* function;
  int64_t arguments;
};

inline std::vector<Command>& commands() {
  static std::vector<Command> bound;
  return bound;
}

/// Calls in order what the list names: `length` numbers, of each command its place and then its arguments.
inline void run_commands(const double* list, int64_t length) {
  for (const double* const end = list + length; list < end;) {
    const Command& command = commands()[static_cast<size_t>(*list)];
    command.call(command.function, list + 1);
    list += 1 + command.arguments;
  }
}

template <class Fn>
struct Binding;

template <class R, class... A>
struct Binding<R(A...)> {
  static napi_value call(napi_env env, napi_callback_info info) { return call(env, info, std::index_sequence_for<A...>()); }

  static Command command(R (*function)(A...)) {
    return {[](void* target, const double* numbers) { call(target, numbers, std::index_sequence_for<A...>()); },
            reinterpret_cast<void*>(function), sizeof...(A)};
  }

 private:
  template <size_t... I>
  static void call(void* function, const double* numbers, std::index_sequence<I...>) {
    reinterpret_cast<R (*)(A...)>(function)(argument<A>(numbers[I])...);
  }

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

/// Adds `function` to `object` under `name`. One that gives nothing has its place among the commands as a property.
template <class R, class... A>
void bind(napi_env env, napi_value object, const char* name, R (*function)(A...)) {
  napi_value bound = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, Binding<R(A...)>::call, reinterpret_cast<void*>(function), &bound);
  if constexpr (std::is_void_v<R>) {
    napi_value place = nullptr;
    napi_create_int64(env, static_cast<int64_t>(commands().size()), &place);
    napi_set_named_property(env, bound, "command", place);
    commands().push_back(Binding<R(A...)>::command(function));
  }
  napi_set_named_property(env, object, name, bound);
}

}  // namespace atom::node
