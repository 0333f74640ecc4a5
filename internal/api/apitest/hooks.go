package apitest

import (
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

// OpenOutbox has the node take transitions down from now on.
func (n *Node) OpenOutbox() {
	n.Edit(func(n *Node) { n.apply(topology.OpenOutbox{}, topology.ByController+string(n.ID), "") })
}

// EnterLevel takes a lag level of a member down; from is empty if none stands.
func (n *Node) EnterLevel(member topology.MemberID, from, to string, severity topology.Urgency) {
	n.Edit(func(n *Node) { n.enterLevel(member, from, to, severity) })
}

func (n *Node) enterLevel(member topology.MemberID, from, to string, severity topology.Urgency) {
	n.apply(topology.NoteFindings{Findings: []topology.Finding{{
		Topic: topology.TopicLag, Subject: string(member), Member: member, From: from, To: to, Severity: severity, Since: Began(),
		What: "the lag level of " + string(member) + " is " + to, Why: "its lag has been at least 1s for 1s", Remedy: "sqlring lag", Evidence: []string{"behind m1: 4000 ms (+100)"},
	}}}, topology.ByController+string(n.ID), "seen by the node that leads")
}

// Changed implements api.Node: who waits looks again soon.
func (n *Node) Changed(uint64) <-chan struct{} {
	changed := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(changed) })
	return changed
}

// Hooks implements api.Node.
func (n *Node) Hooks() []api.Hook {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]api.Hook{}, n.Told...)
}
