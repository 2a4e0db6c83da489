// Small networks without biases: linear, ReLU, ..., linear. Arrays of samples are planar: [values, samples].
#pragma once
#include <stdint.h>

namespace recon {

constexpr int kMaxLayers = 6, kMaxWidth = 128;

struct NetworkShape {
  int layers;                  // matrices
  int widths[kMaxLayers + 1];  // inputs, hidden layers, outputs; all at most kMaxWidth

  int inputs() const { return widths[0]; }
  int outputs() const { return widths[layers]; }
  int64_t weights() const {
    int64_t count = 0;
    for (int i = 0; i < layers; ++i) count += int64_t(widths[i]) * widths[i + 1];
    return count;
  }
};

// Samples that go through all layers together: their activations stay in the cache. A multiple of three registers.
constexpr int kTogether = 192;
// Gradients of the weights are summed in parts whose number depends on the samples alone, so that the sums are the same
// for any number of threads.
constexpr int64_t network_parts(int64_t n) {
  const int64_t blocks = (n + kTogether - 1) / kTogether;
  return blocks < 64 ? blocks : 64;
}
struct Part {
  int64_t begin, end;
};
constexpr Part network_part(int64_t n, int64_t part) {
  const int64_t blocks = (n + kTogether - 1) / kTogether, parts = network_parts(n);
  const int64_t end = (part + 1) * blocks / parts * kTogether;
  return {part * blocks / parts * kTogether, end < n ? end : n};
}

struct MlpArgs {
  NetworkShape shape;
  const float* weights;  // each layer's [out in], behind each other
  const float* inputs;   // [in n]
  int64_t n;
  float* outputs;         // [out n]
  const float* grads;     // [out n], of the outputs
  float* input_grads;     // [in n], or null
  float* weight_grads;    // like the weights
  float* workspace;       // mlp_workspace floats
  bool bf16;              // multiply in bf16 where this machine can
  int threads;
  uintptr_t stream;
};

}  // namespace recon
