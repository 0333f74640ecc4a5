package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// payloadVersion is raised when a field changes its meaning; fields may be added.
const payloadVersion = 1

// Message is what a hook is told: the JSON of exec and webhook, and what the others are
// made of.
type Message struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`  // whoever gets it twice knows it by that
	Key      string            `json:"key"` // RING/TOPIC/SUBJECT: the same for all of one thing
	Status   topology.Phase    `json:"status"`
	Severity topology.Urgency  `json:"severity"` // of what has begun, or, if resolved, of what is over
	Was      topology.Urgency  `json:"was"`      // of what stood before
	Ring     string            `json:"ring"`
	Node     topology.NodeID   `json:"node"` // that tells it
	Topic    topology.Topic    `json:"topic"`
	Subject  string            `json:"subject"`
	Member   topology.MemberID `json:"member"`
	From     string            `json:"from"`
	To       string            `json:"to"`
	At       time.Time         `json:"at"`    // when it was written down
	Since    time.Time         `json:"since"` // when it was found to be so
	Began    time.Time         `json:"began"` // when all was well last
	What     string            `json:"what"`
	Why      string            `json:"why"`
	Remedy   string            `json:"remedy"`
	Evidence []string          `json:"evidence"`
	By       string            `json:"by"`
	Seq      uint64            `json:"seq"`     // for sqlring event ack
	Repeat   int               `json:"repeat"`  // how often it was told before, and still stands
	Test     bool              `json:"test"`    // it is from sqlring hook test, and nothing has happened
	SentAt   time.Time         `json:"sent_at"` // of this attempt
}

// messageOf returns what a hook of a node is told.
func messageOf(ring string, node topology.NodeID, m topology.Message) Message {
	n := m.Notice
	out := Message{
		Version: payloadVersion, ID: ring + "-" + m.ID, Key: ring + "/" + n.Key(), Status: m.Phase, Severity: n.Severity, Was: n.Was,
		Ring: ring, Node: node, Topic: n.Topic, Subject: n.Subject, Member: n.Member, From: n.From, To: n.To,
		At: n.At, Since: n.Since, Began: m.Began, What: n.What, Why: n.Why, Remedy: n.Remedy,
		Evidence: append([]string{}, n.Evidence...), By: n.By, Seq: n.Seq, Repeat: m.Repeats,
	}
	if m.Phase == topology.PhaseResolved {
		out.Severity = n.Was
	}
	return out
}

// TestMessage returns a message by which a hook is tried.
func testMessage(ring string, node topology.NodeID, by string, now time.Time) Message {
	now = now.UTC()
	return Message{
		Version: payloadVersion, ID: fmt.Sprintf("%s-test-%s-%d", ring, node, now.UnixNano()), Key: ring + "/hook/test", Status: topology.PhaseTold,
		Severity: topology.UrgencyInfo, Ring: ring, Node: node, Topic: topology.TopicHook, Subject: "test", To: "test",
		At: now, Since: now, Began: now, What: "this is a test of a hook: nothing has happened", Remedy: "nothing", Evidence: []string{}, By: by, Test: true,
	}
}

// title says a message in one line.
func (m Message) title() string {
	word := strings.ToUpper(m.Severity.String())
	if m.Status == topology.PhaseResolved {
		word = "RESOLVED"
	}
	if m.Test {
		word = "TEST"
	}
	return fmt.Sprintf("[%s] %s: %s", word, m.Ring, m.What)
}

// text says the rest of it, a line each.
func (m Message) text() string {
	var lines []string
	add := func(name, text string) {
		if text != "" {
			lines = append(lines, name+text)
		}
	}
	add("why: ", m.Why)
	add("what to do: ", m.Remedy)
	for _, line := range m.Evidence {
		add("evidence: ", line)
	}
	add("by: ", m.By)
	return strings.Join(lines, "\n")
}

// body returns a message as JSON.
func (m Message) body() ([]byte, error) { return json.Marshal(m) }
