// Native memory: aligned allocations and file mappings, counted so that tests can show that nothing leaks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace atom {

// A cache line and the widest vector; tensors start on it.
constexpr size_t kAlignment = 64;

/// Zeroed memory, 64-byte aligned, in huge pages where it can be. Null when the machine has no more. Of what is released up to
/// 64 MiB stay mapped, for who asks for as much again.
void* allocate(size_t bytes);
void release(void* address, size_t bytes);

/// A private mapping of bytes [offset, offset + bytes) of a file, offset a multiple of the page size; writes stay in
/// memory. Null with errno set on failure.
void* map_file(const char* path, size_t offset, size_t bytes);
void unmap_file(void* address, size_t bytes);
int64_t page_bytes();

/// Lets the kernel drop the pages of a mapping that lie wholly inside the range; they are read again when touched.
void drop_pages(void* address, size_t bytes);
/// Asks the kernel to start reading a range of a mapping.
void prefetch_pages(void* address, size_t bytes);

/// Working memory of the calling thread, at least this many floats, 64-byte aligned. It grows to the largest request and
/// stays; what an earlier call left in it is undefined.
float* thread_scratch(size_t floats);
/// Another such memory, for what finishes a row that lies in the first.
float* second_scratch(size_t floats);
/// Another, for the columns of rows that are quantized together (integer_columns.h).
float* column_scratch(size_t floats);
/// And one for what an operator keeps across its tasks: those that run on the calling thread do not touch it.
float* operator_scratch(size_t floats);

/// Bytes and blocks held now, mappings not counted.
int64_t live_bytes();
int64_t live_blocks();

}  // namespace atom
