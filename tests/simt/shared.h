// A block's shared memory: bounds checked, never read before it was written, and no two threads at one element, one of
// them writing, unless a barrier or an atomic lies between them.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "block.h"

namespace recon::simt {

// One thread's visit to an element.
struct Visit {
  int16_t thread = -1;  // -1: nobody's yet
  bool atomic = false;
  uint32_t epoch = 0, meetings = 0;
  const void* code = nullptr;
};

// The last visit, the last by another thread than that, and the last from another warp: enough for whoever comes next to
// meet one that is not its own.
struct LastVisits {
  Visit any, other_thread, other_warp;
};

struct SharedElement {
  LastVisits writers, readers;  // several writers: by atomics
};

struct SharedStorage {
  const char* name;
  Place place;
  const void* type;  // one address for each type
  int64_t count;
  size_t element_bytes, first_byte;
  bool dynamic;
  unsigned char* bytes;
  SharedElement* elements;
};

enum class Access { kRead, kWrite, kAtomic };
// Fails unless the running thread may do this now.
void visit(SharedStorage& storage, int64_t index, Access access);

// The array that this line of the kernel declares: the same for all threads of the block.
SharedStorage& static_shared(const char* name, Place place, const void* type, int64_t count, size_t element_bytes,
                             size_t alignment);
SharedStorage& dynamic_shared(const char* name, Place place, const void* type, int64_t count, size_t element_bytes,
                              size_t alignment, size_t first_byte);
// For each block anew; `end` after the last.
void new_shared_memory(size_t dynamic_bytes);
void end_shared_memory();

// What `tile[i]` is: a value to be taken or given at once, not kept.
template <class T>
class SharedReference {
 public:
  SharedReference(SharedStorage& storage, int64_t index) : storage_(storage), index_(index) {}
  SharedReference(const SharedReference&) = delete;

  operator T() && { return read(); }
  T operator=(T value) && { return write(value); }
  T operator=(SharedReference&& other) && { return write(other.read()); }
  template <class U> T operator+=(U other) && { return write(T(read() + other)); }
  template <class U> T operator-=(U other) && { return write(T(read() - other)); }
  template <class U> T operator*=(U other) && { return write(T(read() * other)); }
  template <class U> T operator|=(U other) && { return write(T(read() | other)); }
  template <class U> T operator&=(U other) && { return write(T(read() & other)); }
  template <class U> T operator^=(U other) && { return write(T(read() ^ other)); }

  // For atomics: the element becomes change(element); what it was comes back.
  template <class Change>
  T exchange(Change change) && {
    visit(storage_, index_, Access::kAtomic);
    const T before = value();
    store(change(before));
    return before;
  }

 private:
  T read() {
    visit(storage_, index_, Access::kRead);
    return value();
  }
  T write(T value) {
    visit(storage_, index_, Access::kWrite);
    store(value);
    return value;
  }
  T value() const {
    T value;
    memcpy(static_cast<void*>(&value), at(), sizeof(T));
    return value;
  }
  void store(const T& value) { memcpy(at(), static_cast<const void*>(&value), sizeof(T)); }
  unsigned char* at() const { return storage_.bytes + size_t(index_) * sizeof(T); }

  SharedStorage& storage_;
  int64_t index_;
};

template <class T>
class SharedArray {
  static_assert(std::is_trivially_copyable_v<T>, "shared memory holds plain values");

 public:
  explicit SharedArray(SharedStorage& storage) : storage_(storage) {}
  SharedArray(const SharedArray&) = delete;
  SharedReference<T> operator[](int64_t index) const { return {storage_, index}; }

 private:
  SharedStorage& storage_;
};

template <class T>
const void* address_of_type() {
  static const char address = 0;
  return &address;
}

}  // namespace recon::simt

#define SHARED_ARRAY(T, name, count)                                                                       \
  const ::recon::simt::SharedArray<T> name(::recon::simt::static_shared(                                   \
      #name, ::recon::simt::Place::here(), ::recon::simt::address_of_type<T>(), count, sizeof(T), alignof(T)))
#define DYNAMIC_SHARED(T, name, first_byte, count)                                                         \
  const ::recon::simt::SharedArray<T> name(::recon::simt::dynamic_shared(                                  \
      #name, ::recon::simt::Place::here(), ::recon::simt::address_of_type<T>(), count, sizeof(T), alignof(T), first_byte))
