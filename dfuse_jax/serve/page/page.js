// The camera's newest picture goes to the server, at most two at once; what comes back is drawn on that very picture.

const LONG_SIDE = 640; // pixels of a picture that is sent
const QUALITY = 0.8;
const IN_FLIGHT = 2;
const SHOWN = 10; // seconds of signals
const HIDDEN = 20; // seconds after which a hidden page gives up its place
const LOST = 3; // seconds without an answer, after which a picture is given up
const CARDS = 30;
const REGIONS = ["lip", "cheek", "eye"];
const NAMES = { lip: "lips", cheek: "cheeks", eye: "eyes" };
const LEAST_RANGE = { lip: 0.15, cheek: 0.1, eye: 0.15 }; // of a signal's axis
const AGAIN = 1013, POLICY = 1008;

const element = (id) => document.getElementById(id);
const stage = element("stage"), signals = element("signals"), toggle = element("toggle");
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });

let on = false; // whether the user wants to be watched
let socket = null, stream = null;
let triangles = [], scale = 1, model = null;
let tries = 0, retry = 0, hiding = 0;
let sent = new Map(); // time of a picture -> {canvas, at}
let spare = []; // canvases
let last = -Infinity; // time of the picture that was sent last
let encoding = 0;
let moments = []; // of the last seconds
let smiles = []; // {number, begin, end, phases}
let faceless = 0; // pictures without a face in a row
let token = new URLSearchParams(location.hash.slice(1)).get("token");
let colours = {};

// What tests and the benchmark read.
const live = (window.live = { answered: 0, latencies: [], drawn: [], verdicts: 0, smiles: 0, judged: [], delays: [] });

if (token) history.replaceState(null, "", location.pathname);
element("server").textContent = location.host;

function say(state, text) {
  document.body.dataset.state = state;
  if (element("status").textContent !== text) element("status").textContent = text;
}

// ---- the camera

async function start() {
  on = true;
  toggle.textContent = "Stop";
  if (!navigator.mediaDevices?.getUserMedia) {
    return stop("no-camera", "This page cannot use a camera: open it by https, or on the server's own machine as localhost.");
  }
  say("starting", "Waiting for the camera. Please allow its use.");
  const wanted = { facingMode: "user", width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30 } };
  try {
    const opened = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (!on) return opened.getTracks().forEach((track) => track.stop());
    stream = opened;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (on) stop("no-camera", "The camera is gone. Plug it in again, or press the button to try again.");
    });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    const refused = error.name === "NotAllowedError" || error.name === "SecurityError";
    const none = error.name === "NotFoundError" || error.name === "OverconstrainedError";
    return stop(
      refused ? "refused" : "no-camera",
      refused
        ? "The browser does not let this page use the camera. Allow it in the browser's settings for this page, then press the button again."
        : none
          ? "No camera was found. Plug one in and press the button again."
          : `The camera cannot be used (${error.message}). Another program may be using it.`,
    );
  }
  element("invitation").hidden = true;
  connect();
  capture();
}

function stop(state = "idle", text = "Stopped. What was known of your face is dropped.") {
  on = false;
  pause();
  toggle.textContent = "Start the camera";
  element("invitation").hidden = false;
  stage.getContext("2d").clearRect(0, 0, stage.width, stage.height);
  stage.setAttribute("aria-label", "Your camera's picture; it is off.");
  element("speed").textContent = "";
  showPhase(null);
  say(state, text);
}

function pause() {
  clearTimeout(retry);
  clearTimeout(hiding);
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  video.srcObject = null;
  const closing = socket;
  socket = null;
  closing?.close();
  forget();
}

function forget() {
  for (const picture of sent.values()) spare.push(picture.canvas);
  sent.clear();
  moments = [];
  smiles = [];
  faceless = 0;
  last = -Infinity;
}

function capture() {
  if (!stream) return;
  const mine = stream;
  const next = (now, metadata) => {
    if (stream !== mine) return;
    take((metadata?.captureTime ?? now ?? performance.now()) / 1000);
    schedule();
  };
  const schedule = () =>
    video.requestVideoFrameCallback ? video.requestVideoFrameCallback(next) : setTimeout(next, 33);
  schedule();
}

function take(time) {
  const at = performance.now();
  for (const [other, picture] of sent) if (at - picture.at > 1000 * LOST) release(other);
  const ready = socket?.readyState === WebSocket.OPEN && triangles.length > 0;
  if (!ready || document.hidden || sent.size + encoding >= IN_FLIGHT || time <= last || !video.videoWidth) return;
  last = time;
  const factor = Math.min(1, LONG_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = spare.pop() ?? document.createElement("canvas");
  const width = Math.round(video.videoWidth * factor), height = Math.round(video.videoHeight * factor);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
  const to = socket;
  encoding += 1;
  canvas.toBlob(
    async (blob) => {
      const jpeg = blob && new Uint8Array(await blob.arrayBuffer());
      encoding -= 1;
      if (!jpeg || socket !== to || to.readyState !== WebSocket.OPEN) return spare.push(canvas);
      const message = new Uint8Array(8 + jpeg.length);
      new DataView(message.buffer).setFloat64(0, time, true);
      message.set(jpeg, 8);
      sent.set(time, { canvas, at });
      to.send(message);
    },
    "image/jpeg",
    QUALITY,
  );
}

function release(time) {
  const picture = sent.get(time);
  sent.delete(time);
  if (picture) spare.push(picture.canvas);
}

// ---- the server

function connect() {
  clearTimeout(retry);
  const protocols = token ? ["dfuse", `token.${token}`] : ["dfuse"];
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`, protocols);
  socket = opened;
  let told = false; // that all places are taken
  opened.onmessage = (event) => {
    if (socket !== opened) return;
    const message = JSON.parse(event.data);
    told ||= message.type === "wait";
    receive(message);
  };
  opened.onclose = (event) => {
    if (socket !== opened) return;
    socket = null;
    triangles = [];
    forget();
    showPhase(null);
    if (!on || document.hidden) return;
    if (event.code === POLICY && /token/.test(event.reason)) return askForToken();
    if (told || event.code === AGAIN) {
      say("waiting", "All places are taken at the moment. You are let in when one is free.");
      retry = setTimeout(connect, 5000);
      return;
    }
    const seconds = Math.min(10, 2 ** tries);
    tries += 1;
    if (tries >= 2 && token === null && event.code === 1006) checkToken();
    say("lost", "The connection to the server is lost. Trying again; what it knew of this face is dropped.");
    retry = setTimeout(connect, 1000 * seconds);
  };
}

async function checkToken() {
  // A WebSocket that is refused does not tell the page why.
  try {
    const answer = await fetch("/v1/model");
    if (answer.status === 401 && on) askForToken();
  } catch {
    // The server does not answer at all.
  }
}

function askForToken() {
  clearTimeout(retry);
  stop("token", "This server asks for its token.");
  element("token-form").hidden = false;
  element("token").focus();
}

function receive(message) {
  if (message.type === "hello") {
    tries = 0;
    ({ triangles, scale, model } = message);
    say("watching", "Look at the camera with a calm face first, then smile.");
    describeModel();
  } else if (message.type === "frame") showFrame(message);
  else if (message.type === "refused") {
    if (message.time !== null) release(message.time);
  } else if (message.type === "smile") showSmile(message);
  else if (message.type === "verdict") showVerdict(message);
}

// ---- what is seen

function showFrame(message) {
  const picture = sent.get(message.time);
  for (const time of sent.keys()) if (time < message.time) release(time); // a newer one was answered
  moments.push(...message.moments);
  while (moments.length && moments[moments.length - 1].time - moments[0].time > SHOWN + 2) moments.shift();
  if (picture) {
    drawFace(picture.canvas, message.points);
    live.drawn.push(performance.now());
    live.latencies.push(performance.now() - picture.at);
    if (live.drawn.length > 4000) for (const list of [live.drawn, live.latencies]) list.splice(0, 2000);
    release(message.time);
  }
  live.answered += 1;
  drawSignals();
  const shown = message.moments[message.moments.length - 1];
  if (shown) showPhase(shown.phase);
  tellFaces(message.faces);
  showSpeed();
}

function tellFaces(faces) {
  faceless = faces === 0 ? faceless + 1 : 0;
  if (faceless > 10) say("no-face", "No face is seen. Come closer, into the light, and look at the camera.");
  else if (faces > 1) say("several", `${faces} faces are seen. The one with the mesh is watched; better be alone in the picture.`);
  else if (faces === 1) say("watching", "Look at the camera with a calm face first, then smile.");
}

function drawFace(canvas, points) {
  const context = stage.getContext("2d", { alpha: false });
  if (stage.width !== canvas.width || stage.height !== canvas.height) {
    stage.width = canvas.width;
    stage.height = canvas.height;
  }
  context.drawImage(canvas, 0, 0);
  const text = points ? "Your camera's picture with a mesh over the face." : "Your camera's picture, without a face.";
  if (stage.getAttribute("aria-label") !== text) stage.setAttribute("aria-label", text);
  if (!points) return;
  const x = (k) => (points[2 * k] / scale) * stage.width, y = (k) => (points[2 * k + 1] / scale) * stage.height;
  context.strokeStyle = "rgba(120, 220, 255, 0.55)";
  context.lineWidth = 0.6;
  context.beginPath();
  for (let k = 0; k < triangles.length; k += 3) {
    context.moveTo(x(triangles[k]), y(triangles[k]));
    context.lineTo(x(triangles[k + 1]), y(triangles[k + 1]));
    context.lineTo(x(triangles[k + 2]), y(triangles[k + 2]));
  }
  context.stroke();
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["rest", "onset", "apex", "offset", "text", "soft", "line", "card", "accent"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  drawSignals();
}

function drawSignals() {
  const context = signals.getContext("2d");
  const { width, height } = signals;
  const strip = 30, row = (height - strip - 4) / REGIONS.length, left = 58;
  context.clearRect(0, 0, width, height);
  const end = moments.length ? moments[moments.length - 1].time : 0;
  const x = (time) => left + (1 - (end - time) / SHOWN) * (width - left);
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  const shown = moments.filter((moment) => end - moment.time <= SHOWN);
  REGIONS.forEach((region, number) => {
    const top = number * row, values = shown.map((moment) => moment.signals[region]).filter((value) => value !== null);
    context.fillStyle = colours.soft;
    context.fillText(NAMES[region], 4, top + row / 2);
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.strokeRect(left, top + 2, width - left, row - 4);
    if (!values.length) return;
    let low = Math.min(...values), high = Math.max(...values);
    const missing = (LEAST_RANGE[region] - (high - low)) / 2;
    if (missing > 0) [low, high] = [low - missing, high + missing];
    const y = (value) => top + row - 6 - ((value - low) / (high - low)) * (row - 12);
    const draw = (pick, colour, dash, thickness) => {
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.setLineDash(dash);
      context.beginPath();
      let pen = false;
      for (const moment of shown) {
        const value = pick(moment);
        if (value === null) pen = false;
        else if (pen) context.lineTo(x(moment.time), y(value));
        else {
          context.moveTo(x(moment.time), y(value));
          pen = true;
        }
      }
      context.stroke();
      context.setLineDash([]);
    };
    context.save();
    context.beginPath();
    context.rect(left, top + 2, width - left, row - 4);
    context.clip();
    if (region === "lip") draw((moment) => moment.baseline, colours.soft, [4, 4], 1);
    draw((moment) => moment.signals[region], colours.accent, [], 2);
    context.restore();
  });
  drawPhases(context, shown, x, height - strip, strip, left, width);
}

function drawPhases(context, shown, x, top, height, left, width) {
  context.fillStyle = colours.soft;
  context.fillText("phase", 4, top + height / 2);
  context.save();
  context.beginPath();
  context.rect(left, top, width - left, height);
  context.clip();
  const settled = (time) => smiles.some((smile) => smile.phases && time >= smile.begin && time <= smile.end);
  for (let k = 0; k + 1 < shown.length; k += 1) {
    const { phase, time } = shown[k];
    if (phase === "no face" || settled(time)) continue;
    const from = x(time), to = x(shown[k + 1].time);
    if (phase === "rest") {
      context.fillStyle = colours.line;
      context.fillRect(from, top + height / 2 - 1, to - from + 1, 2);
    } else hatch(context, from, to, top + 4, height - 8, colours[phase]);
  }
  for (const smile of smiles) {
    for (const [phase, [from, to]] of Object.entries(smile.phases ?? {})) {
      if (to < shown[0]?.time) continue;
      context.fillStyle = colours[phase];
      context.fillRect(x(from), top + 2, Math.max(1, x(to) - x(from)), height - 4);
      if (x(to) - x(from) > 42) {
        context.fillStyle = colours.card;
        context.fillText(phase, Math.max(x(from), left) + 4, top + height / 2);
      }
    }
  }
  context.restore();
}

function hatch(context, from, to, top, height, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = Math.ceil(from / 5) * 5; x < to; x += 5) {
    context.moveTo(x, top + height);
    context.lineTo(x + 4, top);
  }
  context.moveTo(from, top);
  context.lineTo(to, top);
  context.moveTo(from, top + height);
  context.lineTo(to, top + height);
  context.stroke();
}

let shownPhase;
function showPhase(phase) {
  if (phase === shownPhase) return;
  shownPhase = phase;
  const provisional = phase && phase !== "no face" && phase !== "rest" ? " (provisional)" : "";
  element("phase").dataset.phase = phase ?? "none";
  element("phase").replaceChildren("Phase: ", make("strong", phase ?? "none yet"), provisional);
}

let counted = { at: performance.now(), answered: 0 };
function showSpeed() {
  const now = performance.now();
  if (now - counted.at < 2000) return;
  const rate = ((live.answered - counted.answered) / (now - counted.at)) * 1000;
  const recent = live.latencies.slice(-60).sort((a, b) => a - b);
  const delay = recent[Math.floor(recent.length / 2)] ?? 0;
  element("speed").textContent = `${rate.toFixed(0)} pictures a second, ${delay.toFixed(0)} ms each.`;
  counted = { at: now, answered: live.answered };
}

// ---- smiles

function make(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(0)}%`;

function showSmile(message) {
  live.smiles += 1;
  smiles.push({ ...message, phases: null, told: performance.now(), now: moments[moments.length - 1]?.time ?? message.end });
  if (smiles.length > 10) smiles.shift();
  if (model === null) addCard(message, [make("p", "No model is loaded, so it is not judged.")]);
}

function showVerdict(message) {
  const smile = smiles.find((one) => one.number === message.number);
  if (!smile) return;
  live.verdicts += 1;
  // How long after its end: by the newest picture's time, and what has passed since that was answered.
  live.judged.push(performance.now());
  live.delays.push(smile.now - smile.end + (performance.now() - smile.told) / 1000);
  smile.phases = message.phases;
  const parts = [];
  if (message.judged) {
    const many = message.models > 1;
    parts.push(make("p", percent(message.probability), "number"));
    parts.push(make("p", "alike to smiles that were elicited, rather than asked for"));
    parts.push(bar(message));
    parts.push(make("p", many
      ? `${message.models} models say ${percent(message.lowest)} to ${percent(message.highest)}.`
      : "One model was asked, so that nobody knows how far others would differ.", "quiet"));
    if (message.effects.length) parts.push(describeEffects(message.effects));
  } else parts.push(make("p", `Not judged: ${message.reason}.`));
  for (const caution of message.cautions) parts.push(make("p", `Caution: ${caution}.`, "quiet"));
  for (const note of message.notes) parts.push(make("p", note, "quiet"));
  if (message.judged) {
    parts.push(make("p", "It is no lie detector: this says nothing about honesty, character or intent.", "not"));
  }
  addCard(smile, parts);
  drawSignals();
}

function addCard(smile, parts) {
  const card = make("article");
  card.dataset.number = smile.number;
  const seconds = (smile.end - smile.begin).toFixed(1);
  card.append(make("h3", `Smile ${smile.number}, of ${seconds} seconds`), ...parts);
  element("empty").hidden = true;
  element("verdicts").prepend(card);
  while (element("verdicts").children.length > CARDS) element("verdicts").lastChild.remove();
}

function bar({ probability, lowest, highest }) {
  const whole = make("div", undefined, "bar"), spread = make("div", undefined, "spread"), mean = make("div", undefined, "mean");
  whole.setAttribute("aria-hidden", "true");
  spread.style.left = percent(lowest);
  spread.style.width = `${100 * (highest - lowest)}%`;
  mean.style.left = `calc(${100 * probability}% - 1px)`;
  whole.append(spread, mean);
  return whole;
}

function describeEffects(effects) {
  const why = make("div", undefined, "effects"), list = make("ul");
  for (const { region, phase, effect } of effects.slice(0, 3)) {
    const points = Math.round(100 * effect);
    const sign = points > 0 ? "+" : points < 0 ? "−" : "±";
    list.append(make("li", `how the ${NAMES[region]} moved in the ${phase}: ${sign}${Math.abs(points)} points`));
  }
  why.append(make("p", "What drove it most, compared with an average smile of the training data:"), list);
  return why;
}

function describeModel() {
  element("warning").hidden = !(model === null || model.synthetic);
  element("warning").textContent = model === null
    ? "No model is loaded: smiles are found here, and none is judged."
    : "The model was trained on smiles that a program drew. It has never seen a person, and its numbers mean nothing about one.";
  element("model").textContent = model === null ? "" : `Judged by ${model.name} (${model.models === 1 ? "1 model" : `${model.models} models`}). ${model.note}`;
}

// ---- the page

toggle.addEventListener("click", () => (on ? stop() : start()));
element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  element("token-form").hidden = true;
  element("token").value = "";
  start();
});
document.addEventListener("visibilitychange", () => {
  if (!on) return;
  if (document.hidden) {
    say("hidden", "Paused, as this page is hidden.");
    hiding = setTimeout(pause, 1000 * HIDDEN);
  } else {
    clearTimeout(hiding);
    if (!stream) start();
    else if (socket) say("watching", "Look at the camera with a calm face first, then smile.");
    else connect();
  }
});
window.addEventListener("pagehide", () => on && stop());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
readColours();
