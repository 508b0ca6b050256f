// What becomes of a value before it is stored: batch norm as a factor and a term, residual add, ReLU.
#pragma once

namespace trainql::TRAINQL_ISA {

// A vector of values whose channels begin at c; `skip` is read where there is one.
template <bool Skip, bool Relu>
static inline Vec finished(const Finish& f, Vec v, int c, const Element* skip) {
  v = v * load(f.scale + c) + load(f.shift + c);
  if (Skip) v += load(skip);
  return Relu ? relu(v) : v;
}

// Calls f with whether there is a skip and whether a ReLU as compile-time constants.
template <class F>
static inline void withFinish(const Finish& finish, F&& f) {
  if (finish.skip != nullptr) {
    finish.relu ? f(std::true_type{}, std::true_type{}) : f(std::true_type{}, std::false_type{});
  } else {
    finish.relu ? f(std::false_type{}, std::true_type{}) : f(std::false_type{}, std::false_type{});
  }
}

}  // namespace trainql::TRAINQL_ISA
