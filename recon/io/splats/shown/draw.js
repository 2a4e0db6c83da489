// Splats on the screen: each a quad as large as it can be seen, the farthest first, blended over what lies behind.
// The rules are those of recon/ops/splat_reference.py: 0.3 pixels of blur, nothing fainter than 1/255.

const VERTEX = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform usampler2D shape, shine;
uniform vec3 right, down, forward, eye;
uniform vec2 focal, size; // pixels
uniform float nearest;
uniform int width, texels, degree;
uniform bool antialiased;
in vec2 corner;
in uint index;
out vec2 offset; // from the middle, in standard deviations
out vec4 colour;

uvec4 texel(usampler2D words, int i) { return texelFetch(words, ivec2(i % width, i / width), 0); }

vec4 bytesOf(uint word) { return vec4(word & 255u, (word >> 8) & 255u, (word >> 16) & 255u, word >> 24); }

mat3 turnOf(uint word) { // which of x y z w is the largest, and the three others
  vec4 q;
  vec3 others;
  for (int i = 0; i < 3; i++) {
    uint part = (word >> (20 - 10 * i)) & 1023u;
    others[i] = float(part & 511u) / (511.0 * sqrt(2.0)) * (part > 511u ? -1.0 : 1.0);
  }
  float most = sqrt(max(0.0, 1.0 - dot(others, others)));
  uint largest = word >> 30;
  q = largest == 0u ? vec4(most, others) : largest == 1u ? vec4(others.x, most, others.yz)
    : largest == 2u ? vec4(others.xy, most, others.z) : vec4(others, most);
  q = normalize(q);
  float x = q.x, y = q.y, z = q.z, w = q.w;
  return mat3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
              2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
              2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
}

vec3 shineFrom(int splat, vec3 d) { // what the direction adds to the colour: harmonics of degree 1 to 3
  float basis[15];
  basis[0] = -0.48860251 * d.y; basis[1] = 0.48860251 * d.z; basis[2] = -0.48860251 * d.x;
  float xx = d.x * d.x, yy = d.y * d.y, zz = d.z * d.z;
  if (degree > 1) {
    basis[3] = 1.09254843 * d.x * d.y; basis[4] = -1.09254843 * d.y * d.z;
    basis[5] = 0.31539157 * (2.0 * zz - xx - yy); basis[6] = -1.09254843 * d.x * d.z;
    basis[7] = 0.54627422 * (xx - yy);
  }
  if (degree > 2) {
    basis[8] = -0.59004359 * d.y * (3.0 * xx - yy); basis[9] = 2.89061144 * d.x * d.y * d.z;
    basis[10] = -0.45704580 * d.y * (4.0 * zz - xx - yy);
    basis[11] = 0.37317633 * d.z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
    basis[12] = -0.45704580 * d.x * (4.0 * zz - xx - yy);
    basis[13] = 1.44530572 * d.z * (xx - yy); basis[14] = -0.59004359 * d.x * (xx - 3.0 * yy);
  }
  vec3 sum = vec3(0.0);
  uvec4 words;
  int held = -1, values = 3 * ((degree + 1) * (degree + 1) - 1);
  for (int i = 0; i < values; i++) {
    if (i / 16 != held) { held = i / 16; words = texel(shine, texels * splat + held); }
    uint value = (words[(i % 16) / 4] >> (8 * (i % 4))) & 255u;
    sum[i % 3] += basis[i / 3] * (float(value) / 128.0 - 1.0);
  }
  return sum;
}

void main() {
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // out of sight
  uvec4 first = texel(shape, 2 * int(index)), second = texel(shape, 2 * int(index) + 1);
  vec3 apart = uintBitsToFloat(first.xyz) - eye;
  vec3 seen = vec3(dot(right, apart), dot(down, apart), dot(forward, apart));
  if (seen.z < nearest) return;
  vec2 slope = clamp(seen.xy / seen.z, -0.65 * size / focal, 0.65 * size / focal);
  vec3 sizes = exp(bytesOf(second.y).xyz / 16.0 - 10.0);
  mat3 turn = turnOf(second.x);
  vec3 across = (focal.x / seen.z * (right - slope.x * forward)) * turn * sizes;
  vec3 along = (focal.y / seen.z * (down - slope.y * forward)) * turn * sizes;
  float xx = dot(across, across), xy = dot(across, along), yy = dot(along, along);
  float sharp = xx * yy - xy * xy;
  xx += 0.3; yy += 0.3;
  vec4 base = bytesOf(first.w);
  float opacity = base.w / 255.0;
  if (antialiased) opacity *= sqrt(max(sharp, 0.0) / (xx * yy - xy * xy));
  if (opacity < 1.0 / 255.0) return;
  float middle = 0.5 * (xx + yy), spread = length(vec2(0.5 * (xx - yy), xy));
  float longest = middle + spread, shortest = max(middle - spread, 0.1);
  vec2 axis = abs(xy) > 1e-6 ? normalize(vec2(xy, longest - xx)) : xx >= yy ? vec2(1.0, 0.0) : vec2(0.0, 1.0);
  offset = corner * sqrt(2.0 * log(255.0 * opacity));
  vec2 pixels = offset.x * sqrt(longest) * axis + offset.y * sqrt(shortest) * vec2(-axis.y, axis.x);
  vec2 place = seen.xy / seen.z * focal + pixels; // from the middle of the picture, y down
  gl_Position = vec4(2.0 * place.x / size.x, -2.0 * place.y / size.y, 0.0, 1.0);
  vec3 rgb = 0.5 + 0.28209479 * (base.xyz / 255.0 - 0.5) / 0.15;
  if (degree > 0) rgb += shineFrom(int(index), normalize(apart));
  colour = vec4(max(rgb, 0.0), opacity);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 offset;
in vec4 colour;
out vec4 pixel;
void main() {
  float alpha = min(0.999, colour.a * exp(-0.5 * dot(offset, offset)));
  if (alpha < 1.0 / 255.0) discard;
  pixel = vec4(colour.rgb * alpha, alpha);
}`;

/** The graphics of a canvas, or null where there are none. */
function graphicsOf(canvas) {
  return canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, powerPreference: "high-performance" });
}

/** `show(order)` takes the order of drawing, `draw(view)` draws it. */
function painter(gl, splats, background) {
  const program = programOf(gl);
  const place = Object.fromEntries(
    ["shape", "shine", "right", "down", "forward", "eye", "focal", "size", "nearest", "width", "texels", "degree", "antialiased"]
      .map((name) => [name, gl.getUniformLocation(program, name)]));
  gl.useProgram(program);
  texture(gl, 0, splats.shape, splats.width);
  texture(gl, 1, splats.shine, splats.width);
  gl.uniform1i(place.shape, 0);
  gl.uniform1i(place.shine, 1);
  for (const name of ["width", "texels", "degree"]) gl.uniform1i(place[name], splats[name]);
  gl.uniform1i(place.antialiased, splats.antialiased ? 1 : 0);
  attribute(gl, program, "corner", () => gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW));
  const indices = attribute(gl, program, "index", () => {});
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.clearColor(...background, 1);
  let drawn = 0;
  return {
    show(order) {
      drawn = order.length;
      gl.bindBuffer(gl.ARRAY_BUFFER, indices);
      gl.bufferData(gl.ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
    },
    draw(view) {
      const { width, height } = gl.canvas;
      gl.viewport(0, 0, width, height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      for (const name of ["right", "down", "forward", "eye"]) gl.uniform3fv(place[name], view[name]);
      const focal = 0.5 * height / view.tangent;
      gl.uniform2f(place.focal, focal, focal);
      gl.uniform2f(place.size, width, height);
      gl.uniform1f(place.nearest, view.nearest);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, drawn);
    },
  };
}

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

function texture(gl, unit, words, width) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, width, words.length / (4 * width), 0, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words);
}

function attribute(gl, program, name, fill) {
  const buffer = gl.createBuffer(), at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  fill();
  gl.enableVertexAttribArray(at);
  if (name === "corner") gl.vertexAttribPointer(at, 2, gl.FLOAT, false, 0, 0);
  else { gl.vertexAttribIPointer(at, 1, gl.UNSIGNED_INT, 0, 0); gl.vertexAttribDivisor(at, 1); }
  return buffer;
}
