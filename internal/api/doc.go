// Package api is the mouth of a node: an HTTP/JSON API with an OpenAPI document,
// its typed client, health and readiness, metrics for Prometheus, and a web page
// (page/: plain modules, no build step) that reads the same API.
//
// What it needs of a node is the interface [Node]; app plugs it in. From one
// look at a node ([look]) pure functions compute every answer: there is one
// status, and the CLI, the metrics and the health check all read it.
//
// It decides nothing about a ring. A change that arrives here is checked for its
// form, tried on a copy of the state by topology.Apply so that a refusal costs no
// raft command, and proposed. Two words of the DBA it refuses when they come too
// early to mean anything: to accept the loss of a heal that goes on without, and
// to let a member flow back that does not answer. Progress is read from the
// operation afterwards.
//
// Whether an application may write now it answers as freno does (freno.go), from the
// picture that the node holds in memory: no look, no lock, no raft.
//
// Invariants:
//   - GET never changes anything.
//   - Changes are taken over the unix socket only (mode 0600: who may open it is
//     the local admin); over TCP everything is read-only, and TCP listens on
//     loopback only, for names of loopback only (no DNS rebinding).
//   - What is not known is null, absent or "unknown"; it is never 0, false or an
//     old value shown as a new one.
//   - A field that stands in docs/api.md keeps its name and meaning.
//   - The page loads from its node only, under a policy without exceptions, and
//     shows every text as text.
//   - Every refusal says what was refused, where, and what to do about it.
//   - What a DBA's word overrides is named before the word is taken: which check
//     refused, what is given up, who lacks it.
//
// It is tested over real listeners against a fake node (package apitest).
package api
