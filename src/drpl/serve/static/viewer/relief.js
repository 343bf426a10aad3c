/** A relief of the depth with the picture on it, drawn by WebGL 2. */

import { points, projection, smoothed, triangles } from "./mesh.js";

const VERTEX = `#version 300 es
in vec3 place;
in vec2 slope;
uniform mat4 view;
uniform vec2 half_side;
uniform float tall;
out vec2 texel;
out float light;
out float height;
void main() {
  gl_Position = view * vec4(place, 1.0);
  texel = vec2(0.5 + 0.5 * place.x / half_side.x, 0.5 - 0.5 * place.y / half_side.y);
  vec3 normal = normalize(vec3(-slope * tall, 1.0));
  light = dot(normal, normalize(vec3(-0.45, 0.55, 0.9))) / 0.78;
  height = place.z + 0.5;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec2 texel;
in float light;
in float height;
uniform sampler2D picture;
uniform sampler2D ramp;
uniform float shade;
uniform bool coloured;
out vec4 colour;
void main() {
  vec3 own = coloured ? texture(ramp, vec2(height, 0.5)).rgb : texture(picture, texel).rgb;
  colour = vec4(own * mix(1.0, clamp(light, 0.25, 1.15), shade), 1.0);
}`;

export class Relief {
  /**
   * @param {HTMLCanvasElement} canvas
   * @throws {Error} with a sentence, if there is no WebGL 2
   */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", {
      antialias: true,
      alpha: true,
      preserveDrawingBuffer: false,
    });
    if (!gl)
      throw new Error(
        "This browser shows no 3D here (it has no WebGL 2). The map of depth, under View, tells the same.",
      );
    this.gl = gl;
    this.program = program(gl);
    this.eye = { ...Relief.HOME };
    this.about = { tall: 0.3, shade: 0.45, coloured: false, flipped: false };
    this.count = 0;
    this.drawing = 0;
    this.textures = { picture: texture(gl), ramp: texture(gl) };
    this.buffers = { points: gl.createBuffer(), triangles: gl.createBuffer() };
    this.uniforms = Object.fromEntries(
      ["view", "half_side", "tall", "picture", "ramp", "shade", "coloured"].map((name) => [
        name,
        gl.getUniformLocation(this.program, name),
      ]),
    );
  }

  static HOME = Object.freeze({ yaw: -0.45, pitch: -0.7, distance: 2.3 });

  /**
   * @param {Float32Array} heights in [0, 1]
   * @param {number} width
   * @param {number} height
   * @param {number} reach of smoothing
   */
  setHeights(heights, width, height, reach) {
    const { gl } = this;
    const mesh = points(smoothed(heights, width, height, reach), width, height);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.points);
    gl.bufferData(gl.ARRAY_BUFFER, mesh, gl.STATIC_DRAW);
    ["place", "slope"].forEach((name, at) => {
      const where = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(where);
      gl.vertexAttribPointer(where, 3 - at, gl.FLOAT, false, 20, 12 * at);
    });
    if (this.width !== width || this.height !== height) {
      const corners = triangles(width, height);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.triangles);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
      this.count = corners.length;
    }
    Object.assign(this, { width, height });
    this.draw();
  }

  /**
   * @param {TexImageSource} picture
   * @param {ImageData} ramp
   */
  setPicture(picture, ramp) {
    const { gl } = this;
    for (const [name, source] of Object.entries({ picture, ramp })) {
      gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
      gl.generateMipmap(gl.TEXTURE_2D);
    }
    this.draw();
  }

  /** @param {Partial<{tall: number, shade: number, coloured: boolean, flipped: boolean}>} patch */
  set(patch) {
    Object.assign(this.about, patch);
    this.draw();
  }

  /** Turns by radians, and goes nearer by a factor. */
  turn(yaw, pitch, nearer = 1) {
    const { eye } = this;
    eye.yaw += yaw;
    eye.pitch = Math.min(0.2, Math.max(-1.5, eye.pitch + pitch));
    eye.distance = Math.min(12, Math.max(0.8, eye.distance / nearer));
    this.draw();
  }

  home() {
    this.eye = { ...Relief.HOME };
    this.draw();
  }

  draw() {
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.drawing = 0;
    const { gl, canvas, about, uniforms } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [
      Math.round(canvas.clientWidth * ratio),
      Math.round(canvas.clientHeight * ratio),
    ];
    if (!this.count || !width || !height) return;
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const tall = about.flipped ? -about.tall : about.tall;
    const longer = Math.max(this.width, this.height) - 1;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(uniforms.view, false, projection(this.eye, width / height, tall));
    gl.uniform2f(uniforms.half_side, (this.width - 1) / longer, (this.height - 1) / longer);
    gl.uniform1f(uniforms.tall, tall);
    gl.uniform1f(uniforms.shade, about.shade);
    gl.uniform1i(uniforms.coloured, Number(about.coloured));
    ["picture", "ramp"].forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
      gl.uniform1i(uniforms[name], unit);
    });
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
  }

  stop() {
    cancelAnimationFrame(this.drawing);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** @param {WebGL2RenderingContext} gl */
function program(gl) {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS))
    throw new Error(`This browser cannot draw in 3D: ${gl.getProgramInfoLog(made)}`);
  return made;
}

/** @param {WebGL2RenderingContext} gl */
function texture(gl) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  return made;
}
