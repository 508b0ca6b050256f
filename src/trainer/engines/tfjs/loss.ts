// Softmax cross-entropy of one shard, in float64 on the host: the logits are few, and the loss is read back anyway.

export interface ShardLoss {
  /** Sum over the images, times `scale`. */
  loss: number
  /** Gradient of `loss` with respect to the logits, (n, classes). */
  gradient: Float32Array
  /** Images whose largest logit is their label's; the first of equal logits counts, NaN never does. */
  correct: number
}

/** `logits` is (n, classes) row-major, `labels` one class index each. `scale` is 1/B in training, 1 in evaluation. */
export function crossEntropy(logits: Float32Array, labels: Int32Array, scale: number): ShardLoss {
  const classes = logits.length / labels.length
  const gradient = new Float32Array(logits.length)
  let loss = 0
  let correct = 0
  labels.forEach((label, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes)
    // -log softmax, shifted by the largest logit so that no exponential overflows.
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const exponentials = Array.from(row, (logit) => Math.exp(logit - largest))
    const sum = exponentials.reduce((a, b) => a + b, 0)
    loss += scale * (Math.log(sum) + largest - (row[label] ?? NaN))
    exponentials.forEach((exponential, k) => {
      gradient[image * classes + k] = scale * (exponential / sum - (k === label ? 1 : 0))
    })
    if (row.indexOf(largest) === label) correct += 1
  })
  return { loss, gradient, correct }
}
