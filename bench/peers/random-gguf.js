// Writes a Llama of random weights as GGUF, in F16, Q8_0 or Q4_0: the shapes of src/checkpoint/random-checkpoint.ts in the
// form that llama.cpp reads. The format is that of ggml's docs/gguf.md, version 3. Only sizes matter here.
//
//   "GGUF" version tensors keys | key type value ... | name dims type offset ... | padding to 32 | data
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';

const ALIGNMENT = 32;

/** ggml's number of a type; elements and bytes of its blocks. */
const types = {
  f32: { id: 0, fileType: 0, elements: 1, bytes: 4 },
  f16: { id: 1, fileType: 1, elements: 1, bytes: 2 },
  q4_0: { id: 2, fileType: 2, elements: 32, bytes: 18 }, // an F16 scale, 32 nibbles
  q8_0: { id: 8, fileType: 7, elements: 32, bytes: 34 }, // an F16 scale, 32 bytes
};

/** @param {string} path @param {Record<string, number>} config as in config.json @param {'f16' | 'q8_0' | 'q4_0'} type */
export function writeRandomGguf(path, config, type) {
  const tensors = [...tensorsOf(config, type)];
  const header = [...headerOf(config, type, tensors)];
  const length = header.reduce((sum, { byteLength }) => sum + byteLength, 0);
  header.push(Buffer.alloc(padded(length) - length));
  const file = openSync(`${path}.part`, 'w');
  for (const piece of header) writeSync(file, piece);
  const noise = blocksOf(type, config.hidden_size);
  for (const tensor of tensors) {
    if (tensor.type === 'f32') writeSync(file, Buffer.from(new Float32Array(tensor.dims[0]).fill(1).buffer));
    else writeBlocks(file, noise, tensor.bytes);
    writeSync(file, Buffer.alloc(padded(tensor.bytes) - tensor.bytes));
  }
  closeSync(file);
  renameSync(`${path}.part`, path);
}

const padded = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function* tensorsOf(config, type) {
  const { vocab_size, hidden_size, intermediate_size, num_hidden_layers } = config;
  const headDim = hidden_size / config.num_attention_heads;
  const keys = headDim * config.num_key_value_heads;
  // Dimensions come with the fastest first.
  const matrix = (name, outputs, inputs) => sized(`${name}.weight`, [inputs, outputs], type);
  const norm = (name) => sized(`${name}.weight`, [hidden_size], 'f32');
  yield matrix('token_embd', vocab_size, hidden_size);
  for (let layer = 0; layer < num_hidden_layers; layer++) {
    const block = `blk.${layer}`;
    yield norm(`${block}.attn_norm`);
    yield matrix(`${block}.attn_q`, hidden_size, hidden_size);
    yield matrix(`${block}.attn_k`, keys, hidden_size);
    yield matrix(`${block}.attn_v`, keys, hidden_size);
    yield matrix(`${block}.attn_output`, hidden_size, hidden_size);
    yield norm(`${block}.ffn_norm`);
    yield matrix(`${block}.ffn_gate`, intermediate_size, hidden_size);
    yield matrix(`${block}.ffn_up`, intermediate_size, hidden_size);
    yield matrix(`${block}.ffn_down`, hidden_size, intermediate_size);
  }
  yield norm('output_norm');
  yield matrix('output', vocab_size, hidden_size);
}

function sized(name, dims, type) {
  const { elements, bytes } = types[type];
  return { name, dims, type, bytes: (dims.reduce((a, b) => a * b) / elements) * bytes };
}

function* headerOf(config, type, tensors) {
  const keys = [...metadata(config, type)];
  yield Buffer.from('GGUF');
  yield u32(3);
  yield u64(tensors.length);
  yield u64(keys.length);
  for (const [key, kind, value] of keys)
    yield* [string(key), u32(kinds[kind].id), ...kinds[kind].encode(value)];
  let offset = 0;
  for (const tensor of tensors) {
    yield string(tensor.name);
    yield u32(tensor.dims.length);
    for (const extent of tensor.dims) yield u64(extent);
    yield u32(types[tensor.type].id);
    yield u64(offset);
    offset += padded(tensor.bytes);
  }
}

/** Unknown, begin, end, then all bytes, as SentencePiece models have them; the rest are words of no meaning. */
function* metadata(config, type) {
  const headDim = config.hidden_size / config.num_attention_heads;
  const tokens = Array.from({ length: config.vocab_size }, (_, id) => {
    if (id < 3) return ['<unk>', '<s>', '</s>'][id];
    const byte = (id - 3).toString(16).toUpperCase().padStart(2, '0');
    return id < 259 ? `<0x${byte}>` : `t${id}`;
  });
  const tokenTypes = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  yield ['general.architecture', 'string', 'llama'];
  yield ['general.name', 'string', 'random'];
  yield ['general.file_type', 'u32', types[type].fileType];
  yield ['llama.vocab_size', 'u32', config.vocab_size];
  yield ['llama.context_length', 'u32', config.max_position_embeddings];
  yield ['llama.embedding_length', 'u32', config.hidden_size];
  yield ['llama.block_count', 'u32', config.num_hidden_layers];
  yield ['llama.feed_forward_length', 'u32', config.intermediate_size];
  yield ['llama.attention.head_count', 'u32', config.num_attention_heads];
  yield ['llama.attention.head_count_kv', 'u32', config.num_key_value_heads];
  yield ['llama.attention.layer_norm_rms_epsilon', 'f32', config.rms_norm_eps];
  yield ['llama.rope.dimension_count', 'u32', headDim];
  yield ['llama.rope.freq_base', 'f32', config.rope_theta];
  yield ['tokenizer.ggml.model', 'string', 'llama'];
  yield ['tokenizer.ggml.tokens', 'strings', tokens];
  yield ['tokenizer.ggml.scores', 'floats', tokens.map((_, id) => -id)];
  yield ['tokenizer.ggml.token_type', 'ints', tokenTypes];
  yield ['tokenizer.ggml.bos_token_id', 'u32', 1];
  yield ['tokenizer.ggml.eos_token_id', 'u32', 2];
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
const f32 = (value) => Buffer.from(Float32Array.of(value).buffer);
const arrayOf = (id, pieces) => [u32(id), u64(pieces.length), ...pieces];

const kinds = {
  u32: { id: 4, encode: (value) => [u32(value)] },
  f32: { id: 6, encode: (value) => [f32(value)] },
  string: { id: 8, encode: (value) => [string(value)] },
  ints: { id: 9, encode: (values) => arrayOf(5, values.map(u32)) },
  floats: { id: 9, encode: (values) => arrayOf(6, values.map(f32)) },
  strings: { id: 9, encode: (values) => arrayOf(8, values.map(string)) },
};

/** Some MiB of random blocks, of about variance 1 / inputs. */
function blocksOf(type, inputs) {
  const { bytes } = types[type];
  const count = 2 ** 16 - 1;
  const blocks = Buffer.alloc(count * bytes);
  for (let i = 0; i < blocks.length; i++) blocks[i] = Math.random() * 256;
  const deviation = 1 / Math.sqrt(inputs);
  for (let block = 0; block < count; block++) {
    const at = block * bytes;
    // Uniform codes of b bits have a deviation of 2^b / sqrt(12).
    if (type === 'q8_0') blocks.writeUInt16LE(half(deviation / 73.9), at);
    else if (type === 'q4_0') blocks.writeUInt16LE(half(deviation / 4.62), at);
    else blocks.writeUInt16LE(half((Math.random() - 0.5) * Math.sqrt(12) * deviation), at);
  }
  return blocks;
}

/** A number of magnitude 2^-14 or more as F16, cut off; smaller ones become zero. */
function half(value) {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const sign = (bits >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function writeBlocks(file, blocks, bytes) {
  for (let left = bytes; left > 0; left -= blocks.length) {
    writeSync(file, left < blocks.length ? blocks.subarray(0, left) : blocks);
  }
}
