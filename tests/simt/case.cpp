// The program of all cases: `simt CASE FOLDER ORDER SEED`. The folder holds numbers.txt and an array's bytes in NAME.in;
// what comes out is written to NAME.out.TYPE, such as f4.
#include "case.h"

#include <stdio.h>
#include <string.h>

#include <fstream>
#include <stdexcept>

#include "block.h"

namespace recon::simt {
namespace {

std::map<std::string, void (*)(Case&)>& cases() {
  static std::map<std::string, void (*)(Case&)> all;
  return all;
}

// Device memory is not initialised: every byte is 0xff, a NaN in any float.
void* allocate(size_t bytes) {
  void* at = malloc(bytes);  // exactly as large, so that AddressSanitizer sees the first byte beyond
  if (at == nullptr) throw std::bad_alloc();
  memset(at, 0xff, bytes);
  return at;
}

}  // namespace

NamedCase::NamedCase(const char* name, void (*run)(Case&)) { cases()[name] = run; }

Case::Case(std::string folder) : folder_(std::move(folder)) {
  std::ifstream file(folder_ + "/numbers.txt");
  std::string name;
  for (double value = 0; file >> name >> value;) numbers_[name] = value;
}

Case::~Case() {
  for (const Array& array : arrays_) free(array.data);
}

double Case::number(const std::string& name) const {
  const auto found = numbers_.find(name);
  if (found == numbers_.end()) throw std::runtime_error("the case needs a number " + name);
  return found->second;
}

void* Case::read(const std::string& name, size_t element_bytes, const std::string& out) {
  std::ifstream file(folder_ + "/" + name + ".in", std::ios::binary | std::ios::ate);
  if (!file) return nullptr;
  const size_t bytes = size_t(file.tellg());
  if (bytes % element_bytes != 0) throw std::runtime_error(name + " holds elements of another size");
  void* at = keep(out, bytes);
  file.seekg(0).read(static_cast<char*>(at), std::streamsize(bytes));
  return at;
}

void* Case::keep(const std::string& file, size_t bytes) {
  arrays_.push_back({file, allocate(bytes), bytes});
  return arrays_.back().data;
}

void Case::finish() {
  for (const Array& array : arrays_) {
    if (array.file.empty()) continue;
    std::ofstream file(folder_ + "/" + array.file, std::ios::binary);
    file.write(static_cast<const char*>(array.data), std::streamsize(array.bytes));
  }
}

static int run(const std::string& name, const std::string& folder, const std::string& order, unsigned seed) {
  const auto found = cases().find(name);
  if (found == cases().end()) {
    fprintf(stderr, "simt: no case %s\n", name.c_str());
    return 64;
  }
  set_order(order == "forward" ? Order::kForward : order == "reverse" ? Order::kReverse : Order::kShuffled, seed);
  Case c(folder);
  found->second(c);
  c.finish();
  return 0;
}

}  // namespace recon::simt

int main(int count, char** words) {
  if (count != 5) return 64;
  try {
    return recon::simt::run(words[1], words[2], words[3], unsigned(atoi(words[4])));
  } catch (const std::exception& error) {
    fprintf(stderr, "%s\n", error.what());
    return 70;
  }
}
