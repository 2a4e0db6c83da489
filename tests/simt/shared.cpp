#include "shared.h"

#include <memory>
#include <string>
#include <vector>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace recon::simt {
namespace {

constexpr size_t kMostStaticBytes = 48 << 10;
constexpr size_t kMostBytes = 64 << 10;  // of sm_75, the smallest that is built for

struct Owned {
  SharedStorage storage;
  std::vector<unsigned char> bytes;
  std::vector<SharedElement> elements;
};

std::vector<std::unique_ptr<Owned>> arrays;
size_t static_bytes = 0, dynamic_bytes = 0;

std::string text_of(const SharedStorage& s) {
  return std::string(s.name) + " [" + std::to_string(s.count) + "] of " + text_of(s.place);
}

// The line of a kernel that code belongs to: the innermost frame that is not this machinery's.
std::string line_of(const void* code) {
#ifdef __SANITIZE_ADDRESS__
  char frames[8192] = "";
  __sanitizer_symbolize_pc(const_cast<void*>(code), "%S", frames, sizeof(frames) - 2);
  for (const char* frame = frames; *frame != 0; frame += strlen(frame) + 1)
    if (strstr(frame, "shared.h") == nullptr && strstr(frame, "emulator.h") == nullptr) {
      const char* name = strrchr(frame, '/');
      return name == nullptr ? frame : name + 1;
    }
#endif
  (void)code;
  return "?";
}

bool before_now(const Visit& v) {
  return v.thread < 0 || v.thread == thread_rank() || v.epoch < block_epoch() || has_met(v.thread, v.meetings);
}

void remember(LastVisits& last, const Visit& now) {
  if (last.any.thread / kLanes != now.thread / kLanes) last.other_warp = last.any;
  if (last.any.thread != now.thread) last.other_thread = last.any;
  last.any = now;
}

void expect_no_race(const SharedStorage& s, int64_t index, const LastVisits& last, const char* what, const Visit& now) {
  for (const Visit& earlier : {last.any, last.other_thread, last.other_warp})
    if (!before_now(earlier) && !(earlier.atomic && now.atomic))
      fail("no barrier between thread " + std::to_string(earlier.thread) + " at " + line_of(earlier.code) + " and thread " +
           std::to_string(now.thread) + " at " + line_of(now.code) + ", " + what + " element " + std::to_string(index) +
           " of " + text_of(s));
}

}  // namespace

void visit(SharedStorage& s, int64_t index, Access access) {
  const Visit now = {int16_t(thread_rank()), access == Access::kAtomic, block_epoch(), meetings_of_this_thread(),
                     __builtin_return_address(0)};
  if (index < 0 || index >= s.count)
    fail("element " + std::to_string(index) + " of " + text_of(s) + " does not exist, at " + line_of(now.code));
  SharedElement& e = s.elements[index];
  if (access != Access::kWrite && e.writers.any.thread < 0)
    fail("element " + std::to_string(index) + " of " + text_of(s) + " is read before anybody wrote it, at " + line_of(now.code));
  expect_no_race(s, index, e.writers, access == Access::kRead ? "which wrote and reads" : "which both write", now);
  if (access == Access::kRead) return remember(e.readers, now);
  expect_no_race(s, index, e.readers, "which read and writes", now);
  if (access == Access::kWrite) e.writers = {};
  remember(e.writers, now);
}

static SharedStorage& declare(const char* name, Place place, const void* type, int64_t count, size_t element_bytes,
                              size_t alignment, size_t first_byte, bool dynamic) {
  if (count <= 0) fail("shared array " + std::string(name) + " has no elements");
  if (dynamic && (first_byte % alignment != 0 || first_byte + size_t(count) * element_bytes > dynamic_bytes))
    fail("shared array " + std::string(name) + " of " + text_of(place) + " is misaligned or lies beyond the " +
         std::to_string(dynamic_bytes) + " bytes of the launch");
  for (const auto& owned : arrays) {
    SharedStorage& s = owned->storage;
    if (s.dynamic == dynamic && s.place.line == place.line && s.type == type && s.first_byte == first_byte &&
        strcmp(s.place.file, place.file) == 0 && strcmp(s.name, name) == 0) {
      if (s.count != count) fail("threads disagree about the size of " + text_of(s));
      return s;
    }
    if (dynamic && s.dynamic && first_byte < s.first_byte + size_t(s.count) * s.element_bytes &&
        s.first_byte < first_byte + size_t(count) * element_bytes)
      fail("shared array " + std::string(name) + " of " + text_of(place) + " overlaps " + text_of(s));
  }
  if (!dynamic) static_bytes += size_t(count) * element_bytes;
  if (static_bytes > kMostStaticBytes || static_bytes + dynamic_bytes > kMostBytes)
    fail("more shared memory than a block may have, with " + std::string(name) + " of " + text_of(place));
  auto owned = std::make_unique<Owned>();
  owned->bytes.assign(size_t(count) * element_bytes, 0xff);
  owned->elements.resize(size_t(count));
  owned->storage = {name, place, type, count, element_bytes, first_byte, dynamic, owned->bytes.data(), owned->elements.data()};
  arrays.push_back(std::move(owned));
  return arrays.back()->storage;
}

SharedStorage& static_shared(const char* name, Place place, const void* type, int64_t count, size_t element_bytes,
                             size_t alignment) {
  return declare(name, place, type, count, element_bytes, alignment, 0, false);
}

SharedStorage& dynamic_shared(const char* name, Place place, const void* type, int64_t count, size_t element_bytes,
                              size_t alignment, size_t first_byte) {
  return declare(name, place, type, count, element_bytes, alignment, first_byte, true);
}

void new_shared_memory(size_t bytes) {
  arrays.clear();
  static_bytes = 0, dynamic_bytes = bytes;
}

void end_shared_memory() { new_shared_memory(0); }

}  // namespace recon::simt
