// The scene's bytes: SPZ version 3, as recon/io/splats/spz.py writes it. Numbers stay as small as they come; the shader
// makes sizes, turns and colours of them, so that a million splats need 80 MB of the graphics' memory.

const COEFFICIENTS = [0, 3, 8, 15]; // after the first, by degree
const HEADER = 16;

/** The text of a script element as bytes, unpacked. */
async function unpacked(base64) {
  const text = atob(base64.trim());
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Positions as numbers; everything else as words of textures, `shape` and `shine` 16 bytes a texel. */
function splatsOf(bytes, widest) {
  const header = new DataView(bytes.buffer, 0, HEADER);
  if (header.getUint32(0, true) !== 0x5053474e || header.getUint32(4, true) !== 3) throw new Error("no splats in here");
  const count = header.getUint32(8, true), degree = bytes[12], step = 2 ** -bytes[13];
  const further = 3 * COEFFICIENTS[degree], texels = Math.ceil(further / 16);
  const [at, opacities, colours, scales, turns, harmonics] = starts(count, [9, 1, 3, 3, 4, further]);
  const width = Math.min(widest, 4096);
  const shape = new Uint32Array(4 * width * rows(2 * count, width));
  const shine = new Uint32Array(4 * width * rows(texels * count, width));
  const positions = new Float32Array(3 * count), places = new Float32Array(shape.buffer), small = new Uint8Array(shape.buffer);
  const shineBytes = new Uint8Array(shine.buffer);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      const p = at + 9 * i + 3 * axis;
      const fixed = (bytes[p] | (bytes[p + 1] << 8) | (bytes[p + 2] << 16)) << 8 >> 8; // the sign comes down from the top
      positions[3 * i + axis] = places[8 * i + axis] = fixed * step;
    }
    small.set(bytes.subarray(colours + 3 * i, colours + 3 * i + 3), 32 * i + 12);
    small[32 * i + 15] = bytes[opacities + i];
    small.set(bytes.subarray(turns + 4 * i, turns + 4 * i + 4), 32 * i + 16);
    small.set(bytes.subarray(scales + 3 * i, scales + 3 * i + 3), 32 * i + 20);
    shineBytes.set(bytes.subarray(harmonics + further * i, harmonics + further * (i + 1)), 16 * texels * i);
  }
  return { count, degree, antialiased: (bytes[14] & 1) === 1, positions, shape, shine, texels, width };
}

function starts(count, sizes) {
  let next = HEADER;
  return sizes.map((size) => { const start = next; next += count * size; return start; });
}

function rows(texels, width) {
  return Math.max(1, Math.ceil(texels / width));
}
