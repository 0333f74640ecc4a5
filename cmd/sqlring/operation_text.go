package main

import (
	"fmt"
	"io"

	"github.com/sqlring/sqlring/internal/api"
)

// tookText says how long an operation took; a dash while it runs.
func tookText(op api.Operation) string {
	if op.Ended == nil {
		return "-"
	}
	return api.Span(op.Ended.Sub(op.Began))
}

func operationText(w io.Writer, op api.Operation) {
	fmt.Fprintf(w, "operation %s is %s at %q%s\n", titleOf(op), op.State, op.Cursor, stepText(op.Step))
	rows := [][]string{}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	if op.State == "running" {
		add(op.Cursor, op.Doing)
	}
	add("by", op.By)
	add("why", orDash(op.Why))
	add("began", timeText(op.Began))
	add("moved", timeText(op.Moved))
	if op.Ended != nil {
		add("ended", timeText(*op.Ended)+", after "+tookText(op))
	}
	for _, e := range op.Evidence {
		add("evidence", e)
	}
	if op.Armed != nil {
		add("armed", armedText(*op.Armed))
	}
	add("former owner", op.Former)
	add("acknowledged", op.Mark)
	add("heir", op.Heir)
	add("cut", op.Cut)
	if op.AcceptLoss {
		add("accept loss", "yes: the DBA has said that it may go on without what is missing")
	}
	if op.LetFlow {
		add("let flow", "yes: the DBA has said that the tail flows, whatever it is")
	}
	if op.Tail != nil {
		add("tail", tailText(*op.Tail))
		add("tail file", op.Tail.File)
	}
	table(w, rows)
}

func armedText(armed bool) string {
	if armed {
		return "yes: the lost member's commits waited for its acker"
	}
	return "no: the lost member's commits waited for nobody"
}

// tailText says what only a returning member held.
func tailText(t api.Tail) string {
	if t.Transactions == 1 {
		return fmt.Sprintf("1 transaction, %s: %s", t.Verdict, t.Why)
	}
	return fmt.Sprintf("%d transactions, %s: %s", t.Transactions, t.Verdict, t.Why)
}
