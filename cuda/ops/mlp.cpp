// A block of samples through all layers, there and, on the way back, there again and back: recomputing the activations
// costs a third of the arithmetic that storing them would cost in memory traffic.
#include "ops/mlp.h"

#include "ops/entry_points.h"
#include "ops/network.h"

namespace recon::RECON_ISA {

void mlp_forward(const MlpArgs& a) {
  const Network network(a.shape, a.weights, false, a.bf16);
#pragma omp parallel num_threads(a.threads)
  {
    Activations memory(a.shape, a.bf16);
    Floats block;
    block.resize(int64_t(a.shape.inputs()) * kTogether);
#pragma omp for schedule(static)
    for (int64_t at = 0; at < a.n; at += kTogether) {
      take_block(a.inputs + at, a.shape.inputs(), a.n, a.n - at, block.data);
      const float* const out = network.forward(block.data, kTogether, memory);
      put_block(out, a.shape.outputs(), a.n, a.n - at, a.outputs + at);
    }
  }
}

void mlp_backward(const MlpArgs& a) {
  const Network network(a.shape, a.weights, true, a.bf16);
  const int64_t parts = network_parts(a.n), count = a.shape.weights();
#pragma omp parallel num_threads(a.threads)
  {
    Activations memory(a.shape, a.bf16);
    Floats block, grads;
    block.resize(int64_t(a.shape.inputs()) * kTogether);
    grads.resize(int64_t(a.shape.outputs()) * kTogether);
#pragma omp for schedule(dynamic)
    for (int64_t part = 0; part < parts; ++part) {
      float* const sums = a.workspace + part * count;
      memset(sums, 0, 4 * size_t(count));
      const Part samples = network_part(a.n, part);
      for (int64_t at = samples.begin; at < samples.end; at += kTogether) {
        take_block(a.inputs + at, a.shape.inputs(), a.n, a.n - at, block.data);
        take_block(a.grads + at, a.shape.outputs(), a.n, a.n - at, grads.data);
        network.forward(block.data, kTogether, memory);
        const float* const back = network.backward(block.data, kTogether, grads.data, memory, sums);
        if (a.input_grads != nullptr) put_block(back, a.shape.inputs(), a.n, a.n - at, a.input_grads + at);
      }
    }
  }
  add_parts(a.workspace, parts, count, a.weight_grads);
}

int64_t mlp_workspace(const MlpArgs& a) { return network_parts(a.n) * a.shape.weights(); }

bool bf16_tiles() { return multiplies_bf16(); }

}  // namespace recon::RECON_ISA
