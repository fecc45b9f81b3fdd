/** Asks for the microphone, and says in plain words why there is none. */

const WANTED = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } };

const REASONS = {
  NotAllowedError:
    "The microphone is blocked. Allow it for this page (the icon beside the address), then press the button again. " +
    "You can type meanwhile.",
  NotFoundError: "No microphone was found. Plug one in and press the button again, or type your question.",
  NotReadableError: "The microphone is there but cannot be opened: another program may be using it. You can type.",
};

/** Why there is no microphone; the message is for the person. */
export class NoMicrophone extends Error {}

/** Returns the microphone's stream. Throws NoMicrophone. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new NoMicrophone("Browsers give the microphone only to https pages and to localhost. You can type here.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    throw new NoMicrophone(REASONS[error.name] ?? `The microphone cannot be opened (${error.name}). You can type.`);
  }
}

/** Without echo cancellation our own voice comes back in and interrupts itself. */
export function hearsItself(stream) {
  return stream.getAudioTracks()[0]?.getSettings().echoCancellation === false;
}
