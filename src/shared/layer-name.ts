// Which tensors a layer's name stands for.

/** `fc` stands for `fc.weight` and `fc.bias`, `layer4.0` for all in that block. */
export function isOf(name: string, layer: string): boolean {
  return name === layer || name.startsWith(layer.endsWith('.') ? layer : `${layer}.`)
}
