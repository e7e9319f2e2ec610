#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace atom {

namespace {

std::atomic<int64_t> g_live_bytes{0};
std::atomic<int64_t> g_live_blocks{0};

constexpr size_t kHugePage = size_t{2} << 20;

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t mapped_size(size_t bytes) {
  const size_t page = page_size();
  return (bytes + page - 1) / page * page;
}

// Small blocks share the heap: a page apiece would waste most of it.
bool uses_heap(size_t bytes) { return bytes < page_size(); }

size_t heap_size(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

#if defined(MADV_HUGEPAGE)
/// Asks for huge pages, for small blocks, too: many of them lie in one. Blocks follow one another downwards, and a page of
/// 2 MiB that a block ends in belongs for the rest to those above and has been written: such pages must be brought together,
/// or small blocks and the ends of large ones lie in small pages. In a virtual machine that shadows page tables a block of 1 MiB
/// that was not read for a while then takes 0.8 ms to read instead of 0.05.
void use_huge_pages(void* address, size_t bytes) {
  madvise(address, bytes, MADV_HUGEPAGE);
  constexpr int kCollapse = 25;  // MADV_COLLAPSE of Linux 6.1, which the C library may not know
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address), end = begin + bytes, last = end / kHugePage * kHugePage;
  if (last < begin || last == end) return;
  madvise(reinterpret_cast<void*>(last), kHugePage, kCollapse);  // fails where nothing is above
}
#endif

/// Mappings that were released, to be given again where one of the same size is asked for: loops allocate what they need in
/// every turn, and touching a new page costs ten times what clearing an old one does, a hundred times in a virtual machine
/// that shadows page tables (1.5 MiB: 9 ms, or 0.1).
class Kept {
 public:
  /// A mapping of so many bytes, with whatever it held, or null.
  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(blocks_.rbegin(), blocks_.rend(), [=](const Block& b) { return b.bytes == bytes; });
    if (found == blocks_.rend()) return nullptr;
    void* const address = found->address;
    held_ -= bytes;
    blocks_.erase(std::next(found).base());
    return address;
  }

  /// Takes a mapping over; the system gets the oldest ones back, and at once what is too large to keep.
  void keep(void* address, size_t bytes) {
    if (bytes > kMostBytes / 4) return void(munmap(address, bytes));
    const std::lock_guard lock(mutex_);
    blocks_.push_back({address, bytes});
    held_ += bytes;
    while (held_ > kMostBytes || blocks_.size() > kMostBlocks) {
      munmap(blocks_.front().address, blocks_.front().bytes);
      held_ -= blocks_.front().bytes;
      blocks_.erase(blocks_.begin());
    }
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kMostBytes = 0;  // what is used after it was released shall be found
#else
  static constexpr size_t kMostBytes = size_t{64} << 20;
#endif
  static constexpr size_t kMostBlocks = 256;

  struct Block {
    void* address;
    size_t bytes;
  };

  std::mutex mutex_;
  std::vector<Block> blocks_;  // oldest first
  size_t held_ = 0;
};

/// Lives as long as the process: threads release memory until its end.
Kept& kept() {
  static Kept* const all = new Kept;
  return *all;
}

void* map_zeroed(size_t bytes) {
  if (void* const again = kept().take(bytes)) {
    __builtin_memset(again, 0, bytes);
    return again;
  }
  void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  use_huge_pages(address, bytes);
#endif
  return address;
}

}  // namespace

void* allocate(size_t bytes) {
  void* address = nullptr;
  if (uses_heap(bytes)) {
    address = std::aligned_alloc(kAlignment, heap_size(bytes ? bytes : 1));
    if (!address) return nullptr;
    __builtin_memset(address, 0, heap_size(bytes ? bytes : 1));
  } else {
    address = map_zeroed(mapped_size(bytes));
    if (!address) return nullptr;
  }
  g_live_bytes += static_cast<int64_t>(bytes);
  ++g_live_blocks;
  return address;
}

void release(void* address, size_t bytes) {
  if (!address) return;
  if (uses_heap(bytes)) std::free(address);
  else kept().keep(address, mapped_size(bytes));
  g_live_bytes -= static_cast<int64_t>(bytes);
  --g_live_blocks;
}

int64_t page_bytes() { return static_cast<int64_t>(page_size()); }

void* map_file(const char* path, size_t offset, size_t bytes) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file,
                       static_cast<off_t>(offset));
  const int reason = errno;
  close(file);
  errno = reason;
  return address == MAP_FAILED ? nullptr : address;
}

void unmap_file(void* address, size_t bytes) { munmap(address, bytes); }

void drop_pages(void* address, size_t bytes) {
  const uintptr_t page = page_size();
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(address) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(address) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void prefetch_pages(void* address, size_t bytes) {
  const uintptr_t page = page_size();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address) / page * page;
  madvise(reinterpret_cast<void*>(begin), reinterpret_cast<uintptr_t>(address) + bytes - begin, MADV_WILLNEED);
}

namespace {

struct Scratch {
  float* memory = nullptr;
  size_t floats = 0;

  ~Scratch() { std::free(memory); }

  float* at_least(size_t wanted) {
    if (floats >= wanted) return memory;
    std::free(memory);
    memory = static_cast<float*>(std::aligned_alloc(kAlignment, heap_size(wanted * sizeof(float))));
    // Nothing sensible can be computed without a few kilobytes.
    if (!memory) std::abort();
    floats = wanted;
    return memory;
  }
};

}  // namespace

float* thread_scratch(size_t floats) {
  static thread_local Scratch scratch;
  return scratch.at_least(floats);
}

float* second_scratch(size_t floats) {
  static thread_local Scratch scratch;
  return scratch.at_least(floats);
}

float* column_scratch(size_t floats) {
  static thread_local Scratch scratch;
  return scratch.at_least(floats);
}

float* operator_scratch(size_t floats) {
  static thread_local Scratch scratch;
  return scratch.at_least(floats);
}

int64_t live_bytes() { return g_live_bytes; }
int64_t live_blocks() { return g_live_blocks; }

}  // namespace atom
