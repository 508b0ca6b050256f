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

// Calls f with what is added and whether there is a ReLU as compile-time constants.
template <class F>
static inline void withFinish(const Finish& finish, F&& f) {
  const auto withRelu = [&](auto added) { finish.relu ? f(added, std::true_type{}) : f(added, std::false_type{}); };
  if (finish.skip == nullptr) return withRelu(WhatIsAdded<Added::nothing>{});
  if (finish.skipScale == nullptr) return withRelu(WhatIsAdded<Added::skip>{});
  withRelu(WhatIsAdded<Added::normedSkip>{});
}

}  // namespace trainql::TRAINQL_ISA
