// The order in which one device computes its shards' gradients and adds them: neighbours first.
#pragma once

namespace trainql {

// The second shard of a pair is added as it is computed, so a subtree needs one buffer, and one more for each level
// above pairs. Its topmost addition is left to the update, which adds the halves of all devices.
class GradientSubtree {
 public:
  explicit GradientSubtree(int shards) : shards_(shards) {}

  int buffers() const {
    int buffers = 1;
    for (int covered = 2; covered < shards_; covered *= 2) buffers++;
    return buffers;
  }

  // Calls compute(first shard, shards, buffer) for each pair, or for the only shard, and add(to, from) for each addition
  // of two buffers.
  template <class Compute, class Add>
  void walkPairs(Compute&& compute, Add&& add) const {
    descend(0, shards_, 0, compute, add);
  }

  // Calls compute(shard, buffer, adds) for each shard.
  template <class Compute, class Add>
  void walk(Compute&& compute, Add&& add) const {
    walkPairs(
        [&](int first, int count, int buffer) {
          for (int i = 0; i < count; i++) compute(first + i, buffer, i > 0);
        },
        add);
  }

 private:
  template <class Compute, class Add>
  void descend(int first, int count, int buffer, Compute&& compute, Add&& add) const {
    if (count <= 2) return compute(first, count, buffer);
    descend(first, count / 2, buffer, compute, add);
    descend(first + count / 2, count / 2, buffer + 1, compute, add);
    if (count < shards_) add(buffer, buffer + 1);
  }

  const int shards_;
};

}  // namespace trainql
