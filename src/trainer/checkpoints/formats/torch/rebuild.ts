// The functions by which PyTorch rebuilds tensors, as an allow-list: what each would make, without calling it.
import { invalidFile } from '../file-bytes.ts'
import { isGlobal, isSequence, isTensor } from '../file-values.ts'
import { cost, type Budget } from '../pickle/machine.ts'
import { callPython } from '../pickle/python.ts'
import type { FileTensor, FileValue } from '../tensor-file.ts'
import { findViewFault } from '../tensor-values.ts'
import { isCount, torchDtypes, type Storages } from './storages.ts'

export interface RebuildContext {
  what: string
  budget: Budget
  storages: Storages
}

type Rebuild = (args: readonly FileValue[], context: RebuildContext) => FileTensor | undefined

const rebuilders: ReadonlyMap<string, Rebuild> = new Map<string, Rebuild>([
  // (storage, storage_offset, size, stride[, requires_grad, backward_hooks, metadata])
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  // The same with a dtype behind, over bytes: for types that have no storage class of their own.
  ['torch._utils._rebuild_tensor_v3', rebuildTyped],
  // (tensor, requires_grad, …)
  ['torch._utils._rebuild_parameter', firstTensor],
  ['torch._utils._rebuild_parameter_with_state', firstTensor],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', firstTensor],
  ['torch.nn.parameter.Parameter', firstTensor],
  ['torch.nn.parameter.Buffer', firstTensor],
  // (function, type, arguments, state): a tensor of a subclass, or with attributes
  ['torch._tensor._rebuild_from_type', rebuildFromType],
  ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
  ['torch.tensor._rebuild_from_type', rebuildFromType],
])

/** Calls nothing: gives the tensor or container that a call would make, or an object that says what was to be called. */
export function callTorch(name: string, args: FileValue[], context: RebuildContext): FileValue {
  return rebuilders.get(name)?.(args, context) ?? callPython(name, args, context.budget)
}

/** Undefined where the storage is of a type that is not read here. */
function rebuildTensor(
  [handle, offset, size, stride]: readonly FileValue[],
  context: RebuildContext,
): FileTensor | undefined {
  const storage = context.storages.find(handle)
  return storage === undefined ? undefined : view({ storage, offset, size, stride }, context)
}

function rebuildTyped(args: readonly FileValue[], context: RebuildContext): FileTensor | undefined {
  const [handle, offset, size, stride, , , type] = args
  const storage = context.storages.find(handle)
  const dtype = isGlobal(type) ? torchDtypes.get(type.name) : undefined
  if (storage === undefined || dtype === undefined) return undefined
  return view({ storage: context.storages.reinterpret(storage, dtype), offset, size, stride }, context)
}

interface View {
  storage: FileTensor['storage']
  offset: FileValue | undefined
  size: FileValue | undefined
  stride: FileValue | undefined
}

/** @throws TrainqlError `CHECKPOINT_INVALID` where the view does not lie within the storage. */
function view({ storage, offset, size, stride }: View, { what, budget }: RebuildContext): FileTensor {
  const [shape, strides] = [parseCounts(size), parseCounts(stride)]
  if (shape === null || strides === null || !isCount(offset))
    throw invalidFile(
      what,
      `a tensor with counts for offset, sizes and strides over storage "${storage.key}"`,
      'others',
    )
  const fault = findViewFault({ shape, strides, offset }, storage.elements)
  if (fault !== null) throw invalidFile(what, `a tensor within storage "${storage.key}"`, fault)
  budget.charge(cost.object + cost.number * shape.length)
  return { kind: 'tensor', dtype: storage.dtype, shape, strides, offset, storage }
}

function parseCounts(value: FileValue | undefined): number[] | null {
  return isSequence(value, 'tuple', 'list') && value.items.every(isCount) ? [...value.items] : null
}

function firstTensor([tensor]: readonly FileValue[]): FileTensor | undefined {
  return isTensor(tensor) ? tensor : undefined
}

function rebuildFromType([rebuild, , args]: readonly FileValue[], context: RebuildContext): FileTensor | undefined {
  if (!isGlobal(rebuild) || !isSequence(args, 'tuple')) return undefined
  const direct = rebuilders.get(rebuild.name)
  // A tensor of a subclass of a subclass is not written, and could go round in circles.
  return direct === rebuildFromType ? undefined : direct?.(args.items, context)
}
