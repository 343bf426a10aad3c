/** Relief of the depth map, textured with the picture and drawn by WebGL 2. */

/** @import { Eye } from "./mesh.js" */

import { clamp } from "./geometry.js";
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

const UNIFORMS = ["view", "half_side", "tall", "picture", "ramp", "shade", "coloured"];

/** @type {Readonly<Eye>} */
const HOME = { yaw: -0.45, pitch: -0.7, distance: 2.3 };

/** @typedef {{tall: number, shade: number, coloured: boolean, flipped: boolean}} Settings */

export class Relief {
  /**
   * @param {HTMLCanvasElement} canvas
   * @throws {Error} a sentence for the user if WebGL 2 is missing
   */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2");
    if (!gl) {
      const reason = "This browser shows no 3D here (it has no WebGL 2).";
      throw new Error(`${reason} The depth map under View shows the same data.`);
    }
    this.gl = gl;
    this.program = linked(gl);
    /** @type {Eye} */
    this.eye = { ...HOME };
    /** @type {Settings} */
    this.settings = { tall: 0.3, shade: 0.45, coloured: false, flipped: false };
    this.size = { width: 0, height: 0 };
    this.count = 0;
    this.drawing = 0;
    this.textures = [texture(gl), texture(gl)];
    this.buffers = { points: gl.createBuffer(), triangles: gl.createBuffer() };
    this.uniforms = Object.fromEntries(UNIFORMS.map(name => [name, gl.getUniformLocation(this.program, name)]));
  }

  /**
   * @param {Float32Array} heights in [0, 1]
   * @param {number} width
   * @param {number} height
   * @param {number} reach half the side of the smoothing filter
   */
  setHeights(heights, width, height, reach) {
    const { gl } = this;
    const mesh = points(smoothed(heights, width, height, reach), width, height);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.points);
    gl.bufferData(gl.ARRAY_BUFFER, mesh, gl.STATIC_DRAW);
    ["place", "slope"].forEach((name, at) => {
      const location = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, 3 - at, gl.FLOAT, false, 20, 12 * at);
    });
    if (this.size.width !== width || this.size.height !== height) {
      const corners = triangles(width, height);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.triangles);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
      this.count = corners.length;
    }
    this.size = { width, height };
    this.draw();
  }

  /**
   * @param {TexImageSource} picture
   * @param {ImageData} ramp colours of the depth map
   */
  setPicture(picture, ramp) {
    const { gl } = this;
    [picture, ramp].forEach((source, at) => {
      gl.bindTexture(gl.TEXTURE_2D, this.textures[at]);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
      gl.generateMipmap(gl.TEXTURE_2D);
    });
    this.draw();
  }

  /** @param {Partial<Settings>} patch */
  set(patch) {
    Object.assign(this.settings, patch);
    this.draw();
  }

  /**
   * Turns the relief and zooms.
   *
   * @param {number} yaw radians
   * @param {number} pitch radians
   * @param {number} [zoom] factor
   */
  turn(yaw, pitch, zoom = 1) {
    const { eye } = this;
    eye.yaw += yaw;
    eye.pitch = clamp(eye.pitch + pitch, -1.5, 0.2);
    eye.distance = clamp(eye.distance / zoom, 0.8, 12);
    this.draw();
  }

  home() {
    this.eye = { ...HOME };
    this.draw();
  }

  draw() {
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.drawing = 0;
    const { gl, canvas, size, settings, uniforms } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!this.count || !width || !height) return;
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const tall = settings.flipped ? -settings.tall : settings.tall;
    const longer = Math.max(size.width, size.height) - 1;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(uniforms.view, false, projection(this.eye, width / height, tall));
    gl.uniform2f(uniforms.half_side, (size.width - 1) / longer, (size.height - 1) / longer);
    gl.uniform1f(uniforms.tall, tall);
    gl.uniform1f(uniforms.shade, settings.shade);
    gl.uniform1i(uniforms.coloured, Number(settings.coloured));
    ["picture", "ramp"].forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[unit]);
      gl.uniform1i(uniforms[name], unit);
    });
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
  }

  stop() {
    cancelAnimationFrame(this.drawing);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/**
 * Compiles and links the shaders.
 *
 * @param {WebGL2RenderingContext} gl
 */
function linked(gl) {
  const program = gl.createProgram();
  attach(gl, program, gl.VERTEX_SHADER, VERTEX);
  attach(gl, program, gl.FRAGMENT_SHADER, FRAGMENT);
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`This browser cannot draw in 3D: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {WebGLProgram} program
 * @param {number} kind
 * @param {string} source
 */
function attach(gl, program, kind, source) {
  const shader = gl.createShader(kind);
  if (!shader) throw new Error("This browser cannot draw in 3D.");
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  gl.attachShader(program, shader);
}

/** @param {WebGL2RenderingContext} gl */
function texture(gl) {
  const created = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, created);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  return created;
}
