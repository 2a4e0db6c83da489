// A kernel's test: named arrays come in, the entry point runs, named arrays go out to where Python compares them.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <map>
#include <string>
#include <type_traits>
#include <vector>

namespace recon::simt {

class Case {
 public:
  explicit Case(std::string folder);
  ~Case();
  Case(const Case&) = delete;

  double number(const std::string& name) const;
  int integer(const std::string& name) const { return int(number(name)); }

  // Device memory exactly as large as the array that Python gave; null where it gave none.
  template <class T>
  T* input(const std::string& name) {
    return static_cast<T*>(read(name, sizeof(T), ""));
  }
  // Device memory that holds nothing yet, its contents for Python when the case ends.
  template <class T>
  T* output(const std::string& name, size_t count) {
    return static_cast<T*>(keep(name + ".out." + kind_of<T>(), count * sizeof(T)));
  }
  // As input, but its contents go back to Python too: what a kernel updates in place.
  template <class T>
  T* updated(const std::string& name) {
    return static_cast<T*>(read(name, sizeof(T), name + ".out." + kind_of<T>()));
  }
  template <class T>
  T* scratch(size_t count) {
    return static_cast<T*>(keep("", count * sizeof(T)));
  }
  void finish();

 private:
  struct Array {
    std::string file;  // empty: not for Python
    void* data;
    size_t bytes;
  };
  void* read(const std::string& name, size_t element_bytes, const std::string& file);
  void* keep(const std::string& file, size_t bytes);
  template <class T>
  static std::string kind_of() {  // as numpy calls it: f4, u1
    return (std::is_floating_point_v<T> ? "f" : std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T));
  }

  std::string folder_;
  std::map<std::string, double> numbers_;
  std::vector<Array> arrays_;
};

// `SIMT_CASE(name) { ... c.input<float>("blocks") ... }` at namespace scope makes a case that Python can run by its name.
struct NamedCase {
  NamedCase(const char* name, void (*run)(Case&));
};
#define SIMT_CASE(name)                                                    \
  static void run_##name(::recon::simt::Case& c);                          \
  static const ::recon::simt::NamedCase case_##name(#name, &run_##name);   \
  static void run_##name([[maybe_unused]] ::recon::simt::Case& c)

}  // namespace recon::simt
