package topology

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"
)

// ErrUnknownCommand is returned by DecodeCommand for a change that this release
// does not know. A node that meets one in its log must stop applying: to skip it
// would let its state drift from the others'. The remedy is the newer release.
var ErrUnknownCommand = errors.New("command of a later release")

// Change is what a command does to the snapshot. The implementations are the
// types of the files change_*.go; the set is closed.
type Change interface {
	// String says the change in words, with its arguments.
	String() string
	// apply edits s, which is the caller's own copy. On an error the caller drops
	// the copy.
	apply(s *Snapshot, c Command) error
}

// Command is one entry of the raft log.
type Command struct {
	Index  uint64 // raft's index; not part of the encoded form
	At     time.Time
	By     string // who ordered it: "controller@n1", "dba@n1", …
	Why    string
	Change Change
	// Evidence is what was seen, a line each, that the command is based on. Of the
	// controller's it is in the audit, once [OpenOutbox] was committed.
	Evidence []string
}

// changeKinds returns the closed set, by the name in the log. A kind is never
// renamed and its fields never change their meaning.
func changeKinds() map[string]Change {
	kinds := map[string]Change{
		"init_ring":         InitRing{},
		"advance_operation": AdvanceOperation{},
		"open_ring":         OpenRing{},
		"order_semi_sync":   OrderSemiSync{},
		"abort_operation":   AbortOperation{},
		"begin_heal":        BeginHeal{},
		"record_mark":       RecordMark{},
		"choose_heir":       ChooseHeir{},
		"accept_loss":       AcceptLoss{},
		"count_again":       CountAgain{},
		"end_heal":          EndHeal{},
		"grant_withheld":    GrantWithheld{},
		"begin_restart":     BeginRestart{},
		"note_held":         NoteHeld{},
		"renew_in_restart":  RenewInRestart{},
		"end_restart":       EndRestart{},
		"begin_rejoin":      BeginRejoin{},
		"renew_identity":    RenewIdentity{},
		"judge_tail":        JudgeTail{},
		"readmit":           Readmit{},
		"give_up_rejoin":    GiveUpRejoin{},
		"note_source":       NoteSource{},
		"add_token":         AddToken{},
		"revoke_token":      RevokeToken{},
		"set_isolation":     SetIsolation{},
		"begin_move":        BeginMove{},
		"drain_unit":        DrainUnit{},
		"take_unit":         TakeUnit{},
		"fence_unit":        FenceUnit{},
		"turn_back":         TurnBack{},
		"end_move":          EndMove{},
		"begin_divide":      BeginDivide{},
		"end_divide":        EndDivide{},
		"begin_join":        BeginJoin{},
		"end_join":          EndJoin{},
		"pin_unit":          PinUnit{},
		"unpin_unit":        UnpinUnit{},
		"drain_member":      DrainMember{},
		"resume_member":     ResumeMember{},
		"leave_ring":        LeaveRing{},
		"begin_leave":       BeginLeave{},
		"unlink":            Unlink{},
		"end_remove":        EndRemove{},
		"give_up_leave":     GiveUpLeave{},
		"forget_member":     ForgetMember{},
		"maintain_member":   MaintainMember{},
		"end_maintenance":   EndMaintenance{},
		"dissolve_ring":     DissolveRing{},
		"take_units":        TakeUnits{},
		"end_dissolve":      EndDissolve{},

		"set_lag_thresholds": SetLagThresholds{},
		"set_throttle":       SetThrottle{},
		"clear_throttle":     ClearThrottle{},
		"note_repair":        NoteRepair{},
	}
	maps.Copy(kinds, addKinds())
	maps.Copy(kinds, adoptKinds())
	maps.Copy(kinds, replayKinds())
	maps.Copy(kinds, standingKinds())
	maps.Copy(kinds, resizeKinds())
	return kinds
}

// standingKinds are the changes of what stands beside the ring: what is told, and what is
// held back.
func standingKinds() map[string]Change {
	return map[string]Change{
		"open_outbox":   OpenOutbox{},
		"note_findings": NoteFindings{},
		"note_leader":   NoteLeader{},
		"mark_told":     MarkTold{},
		"ack_notice":    AckNotice{},
		"add_silence":   AddSilence{},
		"end_silence":   EndSilence{},
		"set_gates":     SetGates{},
		"set_limit":     SetLimit{},
		"clear_limit":   ClearLimit{},
		"raise_law":     RaiseLaw{},
		"set_account":   SetAccount{},
		"clear_account": ClearAccount{},
		"note_emptied":  NoteEmptied{},
		"note_order":    NoteOrder{},
	}
}

type commandJSON struct {
	Kind   string          `json:"kind"`
	At     time.Time       `json:"at"`
	By     string          `json:"by"`
	Why    string          `json:"why,omitempty"`
	Change json.RawMessage `json:"change"`

	Evidence []string `json:"evidence,omitempty"`
}

// EncodeCommand returns the form of c that stands in the raft log.
func EncodeCommand(c Command) ([]byte, error) {
	for kind, zero := range changeKinds() {
		if reflect.TypeOf(zero) != reflect.TypeOf(c.Change) {
			continue
		}
		change, err := json.Marshal(c.Change)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
		return json.Marshal(commandJSON{Kind: kind, At: c.At.UTC(), By: c.By, Why: c.Why, Change: change, Evidence: c.Evidence})
	}
	return nil, fmt.Errorf("encode command: %T is not a change", c.Change)
}

// DecodeCommand reads a log entry. It returns ErrUnknownCommand for a kind or a
// field that this release does not know.
func DecodeCommand(data []byte) (Command, error) {
	var j commandJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return Command{}, fmt.Errorf("decode command: %w", err)
	}
	zero, ok := changeKinds()[j.Kind]
	if !ok {
		return Command{}, fmt.Errorf("%w: kind %q", ErrUnknownCommand, j.Kind)
	}
	into := reflect.New(reflect.TypeOf(zero))
	d := json.NewDecoder(bytes.NewReader(j.Change))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil {
		return Command{}, fmt.Errorf("%w: kind %q: %w", ErrUnknownCommand, j.Kind, err)
	}
	return Command{At: j.At, By: j.By, Why: j.Why, Change: into.Elem().Interface().(Change), Evidence: j.Evidence}, nil
}
