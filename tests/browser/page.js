// A SIP phone in a page: SIP.js over a secure WebSocket. It does its steps in order. Of each it
// reports a line `wants NAME` to the server of the page, waits until that has a file `ready-NAME`,
// and reports `passed NAME` or `failed NAME: WHY`.
//
// The media of some calls is a description in words only: what plain phones can answer, and nobody's
// audio. The others are the browser's own (RFC 8827: ICE, DTLS-SRTP) with the sound of its false
// microphone, and with what the plain phone at the other end sends it.

import {
    Inviter, Registerer, RegistererState, SessionState, UserAgent, Web,
} from "./node_modules/sip.js/lib/index.js";

const asked = new URLSearchParams(location.search);
const server = asked.get("server");
const user = asked.get("user");
const password = asked.get("password");
const peer = asked.get("peer");
const STEP_MS = 15_000;
/// Packets that the page must hear of a phone, and the phone of the page.
const PACKETS = 100;

async function report(line) {
    await fetch("report", { method: "POST", body: line });
}

/** Resolves with what `what` resolves with, and fails after a step's time. */
function within(what, name) {
    const late = new Promise((_, reject) =>
        setTimeout(() => reject(new Error(`${name}: nothing within ${STEP_MS} ms`)), STEP_MS));
    return Promise.race([what, late]);
}

function pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the other side described, by session. */
const heard = new Map();

/** Descriptions of plain RTP (RFC 4566) that no media stands behind. */
function plainDescriptions(session) {
    let version = 0;
    let held = false;
    return {
        close() {},
        hasDescription: (type) => type === "application/sdp",
        async getDescription(options) {
            version += 1;
            held = options?.hold ?? held;
            const lines = [
                "v=0", `o=page 1 ${version} IN IP4 127.0.0.1`, "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
                "m=audio 45998 RTP/AVP 0", "a=rtpmap:0 PCMU/8000",
                held ? "a=sendonly" : "a=sendrecv", "",
            ];
            return { body: lines.join("\r\n"), contentType: "application/sdp" };
        },
        async setDescription(description) {
            heard.set(session.id, [...(heard.get(session.id) ?? []), description]);
        },
        sendDtmf: () => false,
    };
}

function makeAgent(sessionDescriptionHandlerFactory) {
    return new UserAgent({
        sessionDescriptionHandlerFactoryOptions: {
            iceGatheringTimeout: 1_000, peerConnectionConfiguration: { iceServers: [] },
        },
        uri: UserAgent.makeURI(`sip:${user}@${server}`),
        authorizationUsername: user,
        authorizationPassword: password,
        transportOptions: { server: `wss://${server}`, traceSip: true },
        logBuiltinEnabled: false,
        logConnector: (level, category, _label, content) => {
            if (category === "sip.Transport" || level === "error") {
                report(`# ${content}`);
            }
        },
        sessionDescriptionHandlerFactory,
    });
}

/** Resolves when the session has come to the state; fails when it has ended before. */
function reached(session, state) {
    return within(new Promise((resolve, reject) => {
        const look = (now) => {
            if (now === state) {
                resolve();
            } else if (now === SessionState.Terminated) {
                reject(new Error(`the session ended before it was ${state}`));
            }
        };
        look(session.state);
        session.stateChange.addListener(look);
    }), `session ${state}`);
}

/** Sends the first INVITE; resolves with the final response's code. */
function invited(inviter) {
    return within(new Promise((resolve, reject) => {
        const requestDelegate = {
            onAccept: (response) => resolve(response.message.statusCode),
            onReject: (response) => resolve(response.message.statusCode),
        };
        inviter.invite({ requestDelegate }).catch(reject);
    }), "answer to INVITE");
}

function expect(good, what) {
    if (!good) {
        throw new Error(what);
    }
}

function target() {
    return UserAgent.makeURI(`sip:${peer}@${server}`);
}

const plain = makeAgent(plainDescriptions);
/// As a browser is: this one registers, calls, and is called.
const real = makeAgent(Web.defaultSessionDescriptionHandlerFactory());
const registerer = new Registerer(real, { expires: 120 });
const rings = new Promise((resolve) => {
    real.delegate = { onInvite: resolve };
});

async function register() {
    await within(plain.start(), "connection");
    await within(real.start(), "connection");
    const registered = new Promise((resolve, reject) => {
        registerer.stateChange.addListener((state) =>
            state === RegistererState.Registered ? resolve() : reject(new Error(state)));
    });
    await registerer.register();
    await within(registered, "registration");
}

/** The page calls, is answered, holds, resumes, and hangs up. */
async function call() {
    const inviter = new Inviter(plain, target());
    const code = await invited(inviter);
    expect(code === 200, `the call was answered with ${code}`);
    await reached(inviter, SessionState.Established);
    const [answer] = heard.get(inviter.id) ?? [];
    expect(/^m=audio [1-9]\d* RTP\/AVP .*\b0\b/m.test(answer), `no audio in ${answer}`);
    for (const hold of [true, false]) {
        const changed = within(new Promise((resolve, reject) => {
            inviter.invite({
                requestDelegate: {
                    onAccept: resolve,
                    onReject: (response) => reject(new Error(response.message.statusCode)),
                },
                sessionDescriptionHandlerOptions: { hold },
            }).catch(reject);
        }), "answer to re-INVITE");
        await changed;
        await pause(200);
    }
    await hangUp(inviter);
}

async function hangUp(session) {
    await within(new Promise((resolve, reject) => {
        session.bye({
            requestDelegate: {
                onAccept: resolve,
                onReject: (response) => reject(new Error(response.message.statusCode)),
            },
        }).catch(reject);
    }), "answer to BYE");
    await reached(session, SessionState.Terminated);
}

/** What a session has heard of the other side so far. */
async function heardBy(connection) {
    for (const one of (await connection.getStats()).values()) {
        if (one.type === "inbound-rtp" && one.kind === "audio") {
            return one;
        }
    }
    return {};
}

/** Sound comes to a session: so many packets more, and something is to be heard in them. */
async function hears(session) {
    const connection = session.sessionDescriptionHandler.peerConnection;
    const sound = new Audio();
    sound.srcObject = session.sessionDescriptionHandler.remoteMediaStream;
    await sound.play();
    const before = await heardBy(connection);
    const goal = (before.packetsReceived ?? 0) + PACKETS;
    const loud = before.totalAudioEnergy ?? 0;
    let now = before;
    for (let waited = 0; waited < STEP_MS; waited += 100) {
        now = await heardBy(connection);
        if (now.packetsReceived >= goal && now.totalAudioEnergy > loud) {
            const { packetsReceived, packetsLost, audioLevel, totalAudioEnergy } = now;
            const stats = { packetsReceived, packetsLost, audioLevel, totalAudioEnergy };
            return report(`# hears ${JSON.stringify(stats)}`);
        }
        await pause(100);
    }
    throw new Error(`nothing is heard: ${connection.connectionState} ${JSON.stringify(now)}`);
}

/** A plain phone calls the page, both hear each other, and it hangs up. */
async function called() {
    const invitation = await within(rings, "incoming call");
    await invitation.progress();
    await pause(300);
    await invitation.accept();
    await reached(invitation, SessionState.Established);
    await hears(invitation);
    await reached(invitation, SessionState.Terminated);
}

/** The page gives up while the other side rings. */
async function cancelled() {
    const inviter = new Inviter(plain, target());
    const ended = within(new Promise((resolve, reject) => {
        const requestDelegate = {
            onProgress: () => inviter.cancel(),
            onReject: (response) => resolve(response.message.statusCode),
            onAccept: () => reject(new Error("it was answered")),
        };
        inviter.invite({ requestDelegate }).catch(reject);
    }), "end of INVITE");
    const code = await ended;
    expect(code === 487, `the call ended with ${code}`);
}

/** The page calls a plain phone with sound both ways, holds, resumes, and hangs up. */
async function talk() {
    const inviter = new Inviter(real, target());
    const code = await invited(inviter);
    expect(code === 200, `the call was answered with ${code}`);
    await reached(inviter, SessionState.Established);
    await hears(inviter);
    for (const hold of [true, false]) {
        inviter.sessionDescriptionHandlerOptionsReInvite = { hold };
        await within(new Promise((resolve, reject) => {
            inviter.invite({
                requestDelegate: {
                    onAccept: resolve,
                    onReject: (response) => reject(new Error(response.message.statusCode)),
                },
            }).catch(reject);
        }), "answer to re-INVITE");
        await pause(300);
    }
    await hears(inviter);
    await hangUp(inviter);
}

async function unregister() {
    const gone = new Promise((resolve) => registerer.stateChange.addListener(resolve));
    await registerer.unregister();
    const state = await within(gone, "end of registration");
    expect(state === RegistererState.Unregistered, `the registerer is ${state}`);
    await real.stop();
    await plain.stop();
}

async function ready(name) {
    await report(`wants ${name}`);
    while (!(await fetch(`ready-${name}`, { cache: "no-store" })).ok) {
        await pause(100);
    }
}

for (const step of [register, call, talk, called, cancelled, unregister]) {
    try {
        await within(ready(step.name), "whom the step needs");
        await step();
        await report(`passed ${step.name}`);
    } catch (error) {
        await report(`failed ${step.name}: ${error?.message ?? error}`);
    }
}
