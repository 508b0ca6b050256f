// A vector of TRAINQL_VECTOR floats through the compiler's vector types; included once per instruction set.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#ifndef TRAINQL_ISA
#error "define TRAINQL_ISA, TRAINQL_VECTOR and TRAINQL_TILE_ROWS first"
#endif

namespace trainql::TRAINQL_ISA {

constexpr int V = TRAINQL_VECTOR;
constexpr int panel = 2 * V;

typedef float Vec __attribute__((vector_size(V * 4)));
typedef std::int32_t Mask __attribute__((vector_size(V * 4)));
typedef float Unaligned __attribute__((vector_size(V * 4), aligned(4), may_alias));

static inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
static inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
// x - 0 is x for every x, so this is a plain broadcast.
static inline Vec broadcast(float x) { return x - Vec{}; }
static inline Vec keepWhere(Mask mask, Vec v) {
  return reinterpret_cast<Vec>(reinterpret_cast<Mask>(v) & mask);
}
static inline Vec relu(Vec v) { return keepWhere(~(v < Vec{}), v); }  // NaN passes

static inline Vec squareRoot(Vec v) {
  Vec r;
  for (int i = 0; i < V; i++) r[i] = std::sqrt(v[i]);
  return r;
}

}  // namespace trainql::TRAINQL_ISA
