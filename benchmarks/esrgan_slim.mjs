// `node esrgan_slim.mjs NODE_MODULES IN WIDTH HEIGHT OUT`: raw RGB bytes through @upscalerjs/esrgan-slim 4×, on plain
// tfjs; prints the seconds that the second of two runs took. Needs `npm install @tensorflow/tfjs @upscalerjs/esrgan-slim`.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, input, width, height, output] = process.argv.slice(2);
const tf = createRequire(path.join(modules, 'x.js'))('@tensorflow/tfjs');
const folder = path.join(modules, '@upscalerjs/esrgan-slim/models/x4');
const model = await tf.loadLayersModel({
  load: async () => {
    const { modelTopology, weightsManifest } = JSON.parse(fs.readFileSync(path.join(folder, 'model.json')));
    const weights = Buffer.concat(weightsManifest.flatMap((group) => group.paths).map((name) => fs.readFileSync(path.join(folder, name))));
    return {
      modelTopology,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
    };
  },
});
const image = tf.tensor(new Uint8Array(fs.readFileSync(input)), [1, Number(height), Number(width), 3], 'float32').div(255);
let seconds;
let levels;
for (let run = 0; run < 2; run++) {
  const began = process.hrtime.bigint();
  levels = tf.tidy(() => model.predict(image).clipByValue(0, 1).mul(255).round().toInt().dataSync());
  seconds = Number(process.hrtime.bigint() - began) / 1e9;
}
fs.writeFileSync(output, Uint8Array.from(levels));
console.log(seconds);
