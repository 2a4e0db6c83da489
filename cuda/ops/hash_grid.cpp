// Level after level, so that one level's table is what the cache holds: with all samples of a level in turn, most reads
// hit the second-level cache, where a sample with all of its levels would go through 50 MB. Addresses are computed a
// block ahead and fetched early. On the way back a level belongs to one thread, which adds in the samples' order: no
// atomics, and the same bits for any number of threads.
#include "ops/hash_grid.h"

#include "math/adam.h"
#include "ops/entry_points.h"
#include "ops/grid_level.h"
#include "ops/pairs.h"

namespace recon::RECON_ISA {

constexpr int kSamples = 64;            // fetched at a time: 8 KB of cache lines, in flight while as many are used
constexpr int64_t kChunk = 8192;      // samples of one level that a thread takes
constexpr int64_t kCached = 1 << 16;     // entries of a table so small that it stays in the cache

struct Level {
  GridLevel grid;
  const float* table;
  float* table_grad;
  float *first, *second;              // planes of its two features
  const float *grad_first, *grad_second;
  bool fetch;
};

static Level level_at(const HashArgs& a, int level) {
  const int64_t first = a.levels.offset[level];
  Level l{};
  l.grid = grid_level(a.levels, level);
  l.table = a.tables == nullptr ? nullptr : a.tables + 2 * first;
  l.table_grad = a.table_grad == nullptr ? nullptr : a.table_grad + 2 * first;
  if (a.features != nullptr) l.first = a.features + 2 * level * a.stride, l.second = l.first + a.stride;
  if (a.grads != nullptr) l.grad_first = a.grads + 2 * level * a.stride, l.grad_second = l.grad_first + a.stride;
  l.fetch = level_entries(a.levels, level) > kCached;
  return l;
}

// Where a block of samples lies in a level's table.
struct Places {
  uint32_t entries[8][kSamples];
  float weights[8][kSamples];
};

template <bool kWrite>
static void find_places(const HashArgs& a, const Level& level, int64_t begin, int64_t end, Places& out) {
  for (int at = 0; at < kSamples && begin + at < end; at += kLanes) {
    const int64_t sample = begin + at, left = end - sample;
    const auto axis = [&](int i) { return load_up_to(a.positions + i * a.n + sample, left); };
    const GridCell<f32, u32> cell = cell_of<f32, u32>({axis(0), axis(1), axis(2)}, level.grid.resolution);
    u32 entries[8];
    f32 weights[8];
    entries_of(cell, level.grid, entries);
    trilinear(cell.beyond, weights);
    for (int corner = 0; corner < 8; ++corner) {
      memcpy(out.entries[corner] + at, &entries[corner], sizeof(u32));
      store(out.weights[corner] + at, weights[corner]);
    }
  }
  if (!level.fetch) return;
  const float* const table = kWrite ? level.table_grad : level.table;
  for (int at = 0; at < kSamples && begin + at < end; ++at) {
    for (int corner = 0; corner < 8; ++corner) {
      __builtin_prefetch(table + 2 * int64_t(out.entries[corner][at]), kWrite, kWrite ? 3 : 2);
    }
  }
}

static f32 weight_of_level(const HashArgs& a, const Level& level, int64_t sample, int64_t left) {
  if (a.sigmas == nullptr) return all_lanes(1.0f);
  return level_weight(load_up_to(a.sigmas + sample, left), level.grid.resolution);
}

static void interpolate(const HashArgs& a, const Level& level, const Places& places, int64_t begin, int64_t end) {
  for (int at = 0; at < kSamples && begin + at < end; at += kLanes) {
    const int64_t sample = begin + at, left = end - sample;
    f32 first{}, second{};
    for (int corner = 0; corner < 8; ++corner) {
      const Pair pair = gather_pairs(level.table, places.entries[corner] + at);
      const f32 weight = load(places.weights[corner] + at);
      first += weight * pair.first, second += weight * pair.second;
    }
    const f32 scale = weight_of_level(a, level, sample, left);
    store_up_to(level.first + sample, scale * first, left);
    store_up_to(level.second + sample, scale * second, left);
  }
}

static void encode_chunk(const HashArgs& a, const Level& level, int64_t begin, int64_t end) {
  Places places[2];
  find_places<false>(a, level, begin, end, places[0]);
  int now = 0;
  for (int64_t block = begin; block < end; block += kSamples, now ^= 1) {
    find_places<false>(a, level, block + kSamples, end, places[now ^ 1]);
    interpolate(a, level, places[now], block, end);
  }
}

void hash_encode(const HashArgs& a) {
  const int64_t chunks = (a.n + kChunk - 1) / kChunk;
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
  for (int64_t task = 0; task < chunks * a.levels.count; ++task) {
    const int64_t begin = task % chunks * kChunk, end = begin + kChunk;
    encode_chunk(a, level_at(a, int(task / chunks)), begin, end < a.n ? end : a.n);
  }
}

static void scatter(const HashArgs& a, const Level& level, const Places& places, int64_t begin, int64_t end) {
  f32x2 grads[kSamples];
  for (int at = 0; at < kSamples && begin + at < end; at += kLanes) {
    const int64_t sample = begin + at, left = end - sample;
    const f32 scale = weight_of_level(a, level, sample, left);
    const f32 first = scale * load_up_to(level.grad_first + sample, left);
    const f32 second = scale * load_up_to(level.grad_second + sample, left);
    for (int lane = 0; lane < kLanes; ++lane) grads[at + lane] = f32x2{first[lane], second[lane]};
  }
  for (int at = 0; at < kSamples && begin + at < end; ++at) {
    if (grads[at][0] == 0 && grads[at][1] == 0) continue;  // behind a surface
    for (int corner = 0; corner < 8; ++corner) {
      add_pair(level.table_grad, places.entries[corner][at], places.weights[corner][at], grads[at]);
    }
  }
}

static void scatter_level(const HashArgs& a, const Level& level) {
  Places places[2];
  find_places<true>(a, level, 0, a.n, places[0]);
  int now = 0;
  for (int64_t block = 0; block < a.n; block += kSamples, now ^= 1) {
    find_places<true>(a, level, block + kSamples, a.n, places[now ^ 1]);
    scatter(a, level, places[now], block, a.n);
  }
}

// Adds a level's part to the gradient of a block's positions.
static void move_positions(const HashArgs& a, const Level& level, const Places& places, int64_t begin, int64_t end) {
  for (int at = 0; at < kSamples && begin + at < end; at += kLanes) {
    const int64_t sample = begin + at, left = end - sample;
    const f32 scale = weight_of_level(a, level, sample, left) * level.grid.resolution;
    const f32 first = scale * load_up_to(level.grad_first + sample, left);
    const f32 second = scale * load_up_to(level.grad_second + sample, left);
    f32 grads[8];
    for (int corner = 0; corner < 8; ++corner) {
      const Pair pair = gather_pairs(level.table, places.entries[corner] + at);
      grads[corner] = pair.first * first + pair.second * second;
    }
    const auto position = [&](int i) { return load_up_to(a.positions + i * a.n + sample, left); };
    const Vec3<f32> x = {position(0), position(1), position(2)};
    const Vec3<f32> g = trilinear_vjp(cell_of<f32, u32>(x, level.grid.resolution).beyond, grads);
    const auto add = [&](int i, f32 x, f32 g) {
      float* const to = a.position_grad + i * a.n + sample;
      const f32 inside = where(both(ge(x, f32{}), ge(all_lanes(1.0f), x)), g, 0.0f);
      store_up_to(to, load_up_to(to, left) + inside, left);
    };
    add(0, x.x, g.x), add(1, x.y, g.y), add(2, x.z, g.z);
  }
}

// All levels of one stretch of samples, one after another.
static void move_chunk(const HashArgs& a, int64_t begin, int64_t end) {
  for (int i = 0; i < 3; ++i) memset(a.position_grad + i * a.n + begin, 0, 4 * size_t(end - begin));
  for (int i = 0; i < a.levels.count; ++i) {
    const Level level = level_at(a, i);
    Places places[2];
    find_places<false>(a, level, begin, end, places[0]);
    int now = 0;
    for (int64_t block = begin; block < end; block += kSamples, now ^= 1) {
      find_places<false>(a, level, block + kSamples, end, places[now ^ 1]);
      move_positions(a, level, places[now], block, end);
    }
  }
}

int64_t hash_workspace(const HashArgs&) { return 0; }

void hash_backward(const HashArgs& a) {
  if (a.table_grad != nullptr) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
    for (int i = 0; i < a.levels.count; ++i) scatter_level(a, level_at(a, a.levels.count - 1 - i));
  }
  if (a.position_grad == nullptr) return;
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
  for (int64_t begin = 0; begin < a.n; begin += kChunk) {
    move_chunk(a, begin, begin + kChunk < a.n ? begin + kChunk : a.n);
  }
}

void sparse_adam(const SparseAdamArgs& a) {
  const AdamStep step = adam_at(a.step, a.learning_rate, a.beta1, a.beta2, a.epsilon);
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t at = 0; at < a.count; at += kLanes) {
    const int64_t left = a.count - at;
    const f32 g = load_up_to(a.table_grad + at, left);
    const Mask<f32> moves = ~ge(f32{}, absolute(g));  // a gradient that is no number counts: it must show
    if (lanes_of(moves) == 0) continue;
    const f32 p0 = load_up_to(a.tables + at, left), m0 = load_up_to(a.first + at, left),
              v0 = load_up_to(a.second + at, left);
    f32 p = p0, m = m0, v = v0;
    adam(p, m, v, g, step);
    store_up_to(a.tables + at, where(moves, p, p0), left);
    store_up_to(a.first + at, where(moves, m, m0), left);
    store_up_to(a.second + at, where(moves, v, v0), left);
    store_up_to(a.table_grad + at, f32{}, left);
  }
}

}  // namespace recon::RECON_ISA
