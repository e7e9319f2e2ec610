#include "faster_way.h"

#include <atomic>

namespace atom {

namespace {

std::atomic<int> halved{2};

}  // namespace

int halved_products() { return halved.load(std::memory_order_relaxed); }
void set_halved_products(int when) { halved.store(when, std::memory_order_relaxed); }

}  // namespace atom
