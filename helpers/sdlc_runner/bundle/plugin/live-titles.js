// The newest line of each running attempt, in the session's task row. For OpenCode 1.18: later
// majors load no plugin of this kind. No imports, so that nothing has to be installed for it.
//
// What a helper prints is thinned for the model; the newest line it leaves in a file, which this
// names to it, and where there is none the newest of what it printed is shown.

const OURS = /^\s*python3 \.opencode\/sdlc-runner\/run\.py (spawn|follow|watch)(\s|$)/
const ESCAPES = /\u001b(\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(\u0007|\u001b\\)?|.?)/g
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu
const WIDTH = 80
const PAUSE = 500 // milliseconds between two titles of one call
const FOLDER = ".opencode/sdlc-runner/live"
const TAIL = 4000 // of the output, which may have 30000 characters

function newest(output) {
  const lines = output.slice(-TAIL).replace(ESCAPES, "").split(/[\r\n]+/)
  for (const line of lines.reverse()) {
    const seen = [...line.replace(UNSEEN, " ").replace(/\s+/g, " ").trim()]
    if (seen.length > WIDTH) return seen.slice(0, WIDTH - 1).join("") + "…"
    if (seen.length) return seen.join("")
  }
  return ""
}

export const SdlcRunnerLiveTitles = async ({ client, worktree }) => {
  const calls = new Map() // a running call's part -> what is known of it
  const ended = new Set()

  const file = (callID) => `${worktree}/${FOLDER}/${callID.replace(/[^\w-]/g, "").slice(0, 80)}`

  async function line(part) {
    try {
      return newest(await Bun.file(file(part.callID)).text())
    } catch {
      return newest(String(part.state.metadata?.output ?? ""))
    }
  }

  async function put(part) {
    try {
      const url = `/session/${part.sessionID}/message/${part.messageID}/part/${part.id}`
      const headers = { "content-type": "application/json" }
      await client._client.patch({ url, headers, body: part })
    } catch {} // a title is not worth an error in somebody's session
  }

  async function show(call) {
    call.timer = undefined
    call.busy = true
    call.at = Date.now()
    const title = await line(call.part)
    const { part } = call
    if (title && part.state.title !== title && !call.end) {
      call.sent = true
      await put({ ...part, state: { ...part.state, title } })
      if (call.end) await put(call.end)
    }
    call.busy = false
    if (!call.end) later(call)
  }

  function later(call) {
    if (call.timer || call.busy) return
    call.timer = setTimeout(show, Math.max(0, call.at + PAUSE - Date.now()), call)
    call.timer.unref?.()
  }

  function running(part) {
    if (ended.has(part.id) || !OURS.test(part.state.input?.command ?? "")) return
    const call = calls.get(part.id) ?? { at: 0 }
    calls.set(part.id, call)
    call.part = part
    later(call)
  }

  function end(part) {
    const call = calls.get(part.id)
    if (!call) return
    clearTimeout(call.timer)
    call.end = part
    ended.add(part.id)
    calls.delete(part.id)
    // A title that crossed the end on its way would make the call run for ever: the end goes last.
    if (call.sent && !call.busy && Date.now() - call.at < PAUSE) put(part)
  }

  return {
    "shell.env": async (input, output) => {
      if (typeof input.callID === "string") output.env.SDLC_LIVE_LINE = file(input.callID)
    },
    event: async ({ event }) => {
      try {
        const part = event.properties?.part
        if (event.type !== "message.part.updated" || part?.type !== "tool" || part.tool !== "bash") return
        if (part.state.status === "running") running(part)
        else end(part)
      } catch {}
    },
  }
}
