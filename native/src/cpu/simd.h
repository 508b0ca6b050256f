// A vector of TRAINQL_VECTOR floats through the compiler's vector types; included once per instruction set.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#ifndef TRAINQL_ISA
#error "define TRAINQL_ISA, TRAINQL_VECTOR and TRAINQL_TILE_ROWS first"
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace trainql::TRAINQL_ISA {

constexpr int V = TRAINQL_VECTOR;
constexpr int panel = 2 * V;

typedef float Vec __attribute__((vector_size(V * 4)));
typedef std::int32_t Mask __attribute__((vector_size(V * 4)));
typedef float Unaligned __attribute__((vector_size(V * 4), aligned(4), may_alias));

static inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
static inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }

// Past the caches where the instruction set can, to an address that is a multiple of a vector. Other cores may see such
// stores late, unless `fence` follows them.
static inline void storePast(float* p, Vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, reinterpret_cast<__m512>(v));
#elif defined(__AVX__)
  _mm256_stream_ps(p, reinterpret_cast<__m256>(v));
#else
  store(p, v);
#endif
}
static inline void fence() {
#if defined(__AVX__)
  _mm_sfence();
#endif
}

#ifdef TRAINQL_BF16
// Activations are bfloat16: the upper half of a float. Reading widens, writing rounds to nearest, ties to even.
typedef std::uint16_t Element;

static inline __m512i halves(const Element* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
static inline Vec load(const Element* p) { return reinterpret_cast<Vec>(_mm512_slli_epi32(halves(p), 16)); }
static inline __m256i rounded(Vec v) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v)));
}
static inline void store(Element* p, Vec v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded(v)); }
#else
typedef float Element;
#endif

static inline const Element* elements(const void* p) { return static_cast<const Element*>(p); }
static inline Element* elements(void* p) { return static_cast<Element*>(p); }

// x - 0 is x for every x, so this is a plain broadcast.
static inline Vec broadcast(float x) { return x - Vec{}; }
static inline Vec keepWhere(Mask mask, Vec v) {
  return reinterpret_cast<Vec>(reinterpret_cast<Mask>(v) & mask);
}
static inline Vec relu(Vec v) { return keepWhere(~(v < Vec{}), v); }  // NaN passes

// Rounds v here: of `a * b + c * d` the compiler may fuse either product, and need not choose the same one wherever the
// expression is inlined. What must be one answer everywhere pins one of them.
static inline Vec pinned(Vec v) {
#if defined(__x86_64__) || defined(__i386__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#else
  asm("" : "+m"(v));
#endif
  return v;
}

static inline Vec squareRoot(Vec v) {
  Vec r;
  for (int i = 0; i < V; i++) r[i] = std::sqrt(v[i]);
  return r;
}

}  // namespace trainql::TRAINQL_ISA
