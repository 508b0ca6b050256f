// What `trainql checkpoint` accepts, as data.
import { help, type ArgumentSpec, type CommandSpec, type OptionSpec } from '../command-spec.ts'

const file: ArgumentSpec = { name: 'FILE' }
const folder: ArgumentSpec = { name: 'FOLDER' }
const json: OptionSpec = { name: 'json', description: 'Print the answer as JSON on standard output.' }
const target: readonly OptionSpec[] = [
  { name: 'architecture', value: 'NAME', description: 'Model it is meant for: resnet18, 34, 50, 101 or 152.' },
  { name: 'classes', value: 'N', description: 'Classes of that model.' },
  { name: 'channels', value: 'N', description: 'Image channels of that model: 1 for grey, 3 for colour.' },
]
const read =
  'FILE is a safetensors file, a file that torch.save wrote (weights, training file or whole model, zip or legacy), a checkpoint folder, or a checkpoint of the data directory as RUN/NAME or imported/ID. It is read in a process of its own; nothing in it is ever run.'

export const checkpointCommands: readonly CommandSpec[] = [
  {
    name: 'checkpoint inspect',
    arguments: [file],
    summary: 'Tell what a checkpoint file is, and whether it loads.',
    details: [
      read,
      'Without a target the file itself says which model it is. Leaves with code 1 where it would not load.',
    ],
    options: [...target, { name: 'tensors', description: 'List every tensor too.' }, json, help],
    examples: [
      'trainql checkpoint inspect resnet50.pth',
      'trainql checkpoint inspect resnet50.pth --architecture resnet18 --classes 10',
    ],
  },
  {
    name: 'checkpoint doctor',
    arguments: [file],
    summary: 'Tell everything that is wrong with a file and what to do; repair it.',
    details: [
      read,
      'What hinders loading here comes first, then what would hinder it in PyTorch and is taken care of here. --repair writes the same weights in canonical form: torchvision names, no wrapper prefix, no device, fp32. Leaves with code 1 where the file does not load, or, with --repair, where no copy could be written.',
    ],
    options: [
      ...target,
      {
        name: 'repair',
        value: 'OUT',
        description: 'Write the repaired copy: NAME.safetensors, NAME.pth, or else a checkpoint folder.',
      },
      json,
      help,
    ],
    examples: ['trainql checkpoint doctor model.pth', 'trainql checkpoint doctor model.pth --repair model.safetensors'],
  },
  {
    name: 'checkpoint import',
    arguments: [file],
    summary: 'Make a checkpoint folder of a file, for runs to start from.',
    details: [
      read,
      'Without --to it becomes a checkpoint of the data directory, which a server lists from its next start on. Strict: every tensor of the model must be in the file and every tensor of the file in the model, unless --partial allows less.',
    ],
    options: [
      { name: 'to', value: 'FOLDER', description: 'Folder to make; it must not exist yet.' },
      { name: 'home', value: 'PATH', description: 'Data directory. Default TRAINQL_HOME, else .trainql.' },
      ...target,
      { name: 'partial', description: 'Take what matches, and say what did not.' },
      json,
      help,
    ],
    examples: ['trainql checkpoint import resnet18.pth', 'trainql checkpoint import resnet18.pth --to ./resnet18'],
  },
  {
    name: 'checkpoint export',
    arguments: [{ name: 'FOLDER_OR_FILE' }],
    summary: 'Make a safetensors, PyTorch or ONNX file of a checkpoint.',
    details: [
      'Takes a checkpoint folder, a checkpoint of the data directory as RUN/NAME or imported/ID, or any file that can be imported. A PyTorch file loads with torch.load(weights_only=True) and load_state_dict(strict=True).',
    ],
    options: [
      {
        name: 'out',
        short: 'o',
        value: 'FILE',
        description: 'File to write. .safetensors, .pth, .pt and .onnx tell the format.',
      },
      {
        name: 'format',
        value: 'NAME',
        description: 'safetensors, torch or onnx, where the name of the file does not.',
      },
      { name: 'module-prefix', description: 'torch: module. before every name, as DataParallel expects.' },
      {
        name: 'training-file',
        description: 'torch: {epoch, arch, state_dict, optimizer}, as the ImageNet example writes.',
      },
      {
        name: 'fold',
        negatable: true,
        description: 'onnx: batch norm folded into the convolutions (default), or not.',
      },
      { name: 'force', short: 'f', description: 'Replace the file where it exists.' },
      json,
      help,
    ],
    examples: [
      'trainql checkpoint export RUN/1-00000235 --out resnet18.pth',
      'trainql checkpoint export resnet18.pth --out resnet18.onnx --no-fold',
    ],
  },
  {
    name: 'checkpoint verify',
    arguments: [folder],
    summary: "Hash a checkpoint folder's files anew.",
    details: ['Leaves with code 1 where a file is not what its manifest says.'],
    options: [json, help],
    examples: ['trainql checkpoint verify RUN/1-00000235'],
  },
  {
    name: 'checkpoint predict',
    arguments: [{ name: 'CHECKPOINT' }, { name: 'IMAGE', many: true }],
    summary: 'Tell the likeliest classes of images.',
    details: [
      'CHECKPOINT is a checkpoint folder, or a checkpoint of the data directory as RUN/NAME or imported/ID. IMAGE is a JPEG, PNG or WebP file, or a folder: all such files directly in it.',
      'Images are scaled and normalised as the validation images of the run were. Leaves with code 1 where one cannot be decoded; the others are told all the same.',
    ],
    options: [
      { name: 'top', value: 'N', description: 'Classes to tell of each image. Default 5.' },
      {
        name: 'size',
        value: 'HxW',
        description: 'Height and width that the model sees, such as 224x224. Default: those it was trained on.',
      },
      json,
      help,
    ],
    examples: [
      'trainql checkpoint predict RUN/1-00000235 cat.jpg dog.png',
      'trainql checkpoint predict RUN/1-00000235 ./photos --top 1 --json',
    ],
  },
  {
    name: 'checkpoint prove',
    arguments: [{ name: 'RUN_DIRECTORY' }],
    summary: "Train some of a run's steps again and compare, bit by bit.",
    details: [
      "Losses are compared with the run's events, weights with its next checkpoint. Leaves with code 1 at the first difference and names it.",
    ],
    options: [
      { name: 'checkpoint', value: 'NAME', description: 'Checkpoint to begin at. Default: the initial weights.' },
      { name: 'steps', value: 'N', description: "Steps to train. Default: to the run's next checkpoint." },
      { name: 'devices', value: 'N', description: 'CPU devices to do it on. Default: as many as the run had.' },
      json,
      help,
    ],
    examples: ['trainql checkpoint prove RUN --checkpoint 1-00000235 --steps 20 --devices 1'],
  },
]
