// What becomes of a value before it is stored: batch norm as a factor and a term, residual add, ReLU.
#pragma once

namespace trainql::TRAINQL_ISA {

// What is added before the ReLU: nothing, the skip, or the skip after a scale and a shift of its own.
enum class Added { nothing, skip, normedSkip };

// A vector of values whose channels begin at c; `skip` is read where there is one.
template <Added added, bool Relu>
static inline Vec finished(const Finish& f, Vec v, int c, const Element* skip) {
  v = v * load(f.scale + c) + load(f.shift + c);
  if (added == Added::skip) v += load(skip);
  if (added == Added::normedSkip) v += load(skip) * load(f.skipScale + c) + load(f.skipShift + c);
  return Relu ? relu(v) : v;
}

template <Added added>
using WhatIsAdded = std::integral_constant<Added, added>;

// Calls f with whether there is a ReLU as a compile-time constant.
template <class F>
static inline void withRelu(const Finish& finish, F&& f) {
  finish.relu ? f(std::true_type{}) : f(std::false_type{});
}

// Calls f with what is added, too.
template <class F>
static inline void withFinish(const Finish& finish, F&& f) {
  withRelu(finish, [&](auto relu) {
    if (finish.skip == nullptr) return f(WhatIsAdded<Added::nothing>{}, relu);
    if (finish.skipScale == nullptr) return f(WhatIsAdded<Added::skip>{}, relu);
    f(WhatIsAdded<Added::normedSkip>{}, relu);
  });
}

}  // namespace trainql::TRAINQL_ISA
