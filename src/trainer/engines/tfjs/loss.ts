// Softmax cross-entropy of one shard, in float64 on the host: the logits are few, and the loss is read back anyway.

export interface ShardLoss {
  /** Sum over the images, times `scale`. */
  loss: number
  /** Gradient of `loss` with respect to the logits, (n, classes). */
  gradient: Float32Array
}

export interface LossOptions {
  /** 1/B in training, 1 in evaluation. */
  scale: number
  /** Share of the target spread evenly over all classes (arXiv:1512.00567). */
  smoothing: number
}

/** `logits` is (n, classes) row-major, `labels` one class index each. */
export function crossEntropy(logits: Float32Array, labels: Int32Array, { scale, smoothing }: LossOptions): ShardLoss {
  const classes = logits.length / labels.length
  const gradient = new Float32Array(logits.length)
  let loss = 0
  labels.forEach((label, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes)
    // -log softmax, shifted by the largest logit so that no exponential overflows.
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const exponentials = Array.from(row, (logit) => Math.exp(logit - largest))
    const sum = exponentials.reduce((a, b) => a + b, 0)
    const logSum = Math.log(sum) + largest
    loss += scale * (1 - smoothing) * (logSum - (row[label] ?? NaN))
    // Not where nothing is smoothed: 0 times an infinite logit is NaN.
    if (smoothing > 0) loss += scale * smoothing * (logSum - row.reduce((a, b) => a + b, 0) / classes)
    exponentials.forEach((exponential, k) => {
      const target = smoothing / classes + (k === label ? 1 - smoothing : 0)
      gradient[image * classes + k] = scale * (exponential / sum - target)
    })
  })
  return { loss, gradient }
}
