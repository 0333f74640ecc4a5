// Package hook tells people and programs what happens to the ring: it delivers what
// stands in the outbox of the replicated state ([topology.Outbox]) to the hooks that
// the node's file declares.
//
// It does: run one worker for each hook, which takes what is due for its hook out of
// the newest snapshot, sends it, and has raft note that it was sent; send by running a
// command, or by HTTP to a webhook, Alertmanager, Slack or PagerDuty; try again, with
// growing pauses, until it gives up; say which hooks do not work. It does not decide
// what is told, to which hook, nor when again (topology does), nor look at members.
//
// # Invariants
//
//   - A message is sent before it is noted as sent, so that it arrives at least once
//     (I13). If the leadership ends in between, the next leader sends it again, with the
//     same id.
//   - Only a leader sends, [Dispatcher.Test] aside. What an old leader still sends is
//     what the new one sends, too.
//   - Hooks share nothing: no queue, no worker, no lock that is held while one is sent
//     to. A hook that hangs holds up itself alone, until its timeout; nothing waits for
//     it, the end of a leadership included.
//   - What is executed is in the node's file; nothing that arrives over a network, and no
//     text of a message, becomes a word of a command line.
//   - Secrets are read from files or the environment, and are in no log, error or answer.
//
// Tested by: each kind against a program or a local HTTP server that holds what it gets
// against the documented schema; hooks that hang, fail and lie; and, in internal/app,
// three nodes of which the leader is killed.
package hook
