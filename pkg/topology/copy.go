package topology

import (
	"fmt"
	"time"
)

// Copying is what raft knows of a member's data while that comes from another
// member. It is replaced, never edited.
type Copying struct {
	// ID names the copy. The member carries it as a mark once the copy is complete, so
	// it is never given twice: a copy that is begun anew has another one (S32).
	ID uint64 `json:"id"`
	// From is the member that it is made of; empty: not chosen yet.
	From MemberID `json:"from,omitempty"`
	// Discard is the DBA's word that what the member holds is given up.
	Discard bool `json:"discard,omitempty"`
	// Lock is the DBA's word that tables which a snapshot does not hold still are copied
	// under a lock that stops writes to them.
	Lock bool `json:"lock,omitempty"`
	// Again says that it was a member before: if its copying ends, it stays one.
	Again bool `json:"again,omitempty"`
	// Halted says that the DBA has ended its copying: it stays as it is.
	Halted bool `json:"halted,omitempty"`
	// Done says that the copy is complete; Position is that of its snapshot.
	Done     bool     `json:"done,omitempty"`
	Position Position `json:"position,omitempty"`
	Sum      CopySum  `json:"sum,omitzero"` // what was copied
}

// CopySum is how much was copied, and what it took.
type CopySum struct {
	Tables int           `json:"tables"`
	Rows   uint64        `json:"rows"`
	Bytes  uint64        `json:"bytes"` // of column values
	Took   time.Duration `json:"took"`
}

// String says it in words.
func (c CopySum) String() string {
	return fmt.Sprintf("%d tables, %d rows, %s in %s", c.Tables, c.Rows, sizeText(c.Bytes), c.Took.Round(10*time.Millisecond))
}

// CopyOrder is what ActCopy is to do.
type CopyOrder struct {
	ID   uint64
	From string   // host:port of the source
	Name MemberID // for people
	Lock bool     // as in Copying
}

// CopyState is how far a copy is.
type CopyState uint8

// The states of a copy. The zero value is CopyNone.
const (
	CopyNone CopyState = iota
	CopyRunning
	CopyDone   // complete, and marked as such
	CopyFailed // what is there is to be dropped
)

var copyStateNames = [...]string{"none", "running", "done", "failed"}

func (s CopyState) String() string { return enumName(copyStateNames[:], int(s)) }

// MarshalText writes the state's name.
func (s CopyState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *CopyState) UnmarshalText(text []byte) error { return enumParse(copyStateNames[:], text, s) }

// CopyProgress is what the node that makes a copy says of it.
type CopyProgress struct {
	ID    uint64    `json:"id"`
	From  MemberID  `json:"from,omitempty"` // who is read; "": a node of an earlier release does not say
	State CopyState `json:"state"`
	Began time.Time `json:"began"`
	At    time.Time `json:"at"` // of these numbers; of a copy that is over: when it ended
	// Doing is what it is at, as the end of a sentence.
	Doing string `json:"doing,omitempty"`
	// Total is what the source guesses to have, in bytes; 0: not known.
	Total    uint64   `json:"total"`
	Sum      CopySum  `json:"sum"`
	Position Position `json:"position,omitempty"` // of the snapshot, once it is taken
	// Error is why it failed. Attempts counts how often it has in a row, Person says
	// that another attempt would fail the same way.
	Error    string `json:"error,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
	Person   bool   `json:"person,omitempty"`
}

// Rate is how many bytes a second were copied on average; 0: not known.
func (c CopyProgress) Rate() float64 {
	took := c.At.Sub(c.Began)
	if took <= 0 {
		return 0
	}
	return float64(c.Sum.Bytes) / took.Seconds()
}

// Left guesses how long the copy still takes at that rate; ok is false where
// nothing can be said.
func (c CopyProgress) Left() (left time.Duration, ok bool) {
	rate := c.Rate()
	if c.State != CopyRunning || rate == 0 || c.Total == 0 {
		return 0, false
	}
	if c.Sum.Bytes >= c.Total {
		return 0, true
	}
	return time.Duration(float64(c.Total-c.Sum.Bytes) / rate * float64(time.Second)), true
}

// String is one line for people.
func (c CopyProgress) String() string {
	text := sizeText(c.Sum.Bytes)
	if c.Total > 0 {
		text += fmt.Sprintf(" of about %s", sizeText(max(c.Total, c.Sum.Bytes)))
	}
	text += fmt.Sprintf(", %d rows, %d tables done", c.Sum.Rows, c.Sum.Tables)
	if rate := c.Rate(); rate > 0 {
		text += fmt.Sprintf(", %s/s", sizeText(uint64(rate)))
	}
	if left, ok := c.Left(); ok {
		text += fmt.Sprintf(", about %s to go", left.Round(time.Second))
	}
	if c.Doing != "" {
		text += ": " + c.Doing
	}
	return text
}

// sizeText says a number of bytes for people.
func sizeText(n uint64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	case n < 10_000_000_000:
		return fmt.Sprintf("%d MB", n/1_000_000)
	}
	return fmt.Sprintf("%d GB", n/1_000_000_000)
}

// CopyVerdict is what a check before a copy has found.
type CopyVerdict uint8

// The verdicts. The zero value is CopyUnknown, which is never fine by itself.
const (
	CopyUnknown CopyVerdict = iota
	CopyFine
	CopyWarning
	CopyRefused
)

var copyVerdictNames = [...]string{"unknown", "ok", "warning", "refused"}

func (v CopyVerdict) String() string { return enumName(copyVerdictNames[:], int(v)) }

// MarshalText writes the verdict's name.
func (v CopyVerdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's name.
func (v *CopyVerdict) UnmarshalText(text []byte) error {
	return enumParse(copyVerdictNames[:], text, v)
}

// CopyCheck is one thing that was looked at before a server's data is copied.
type CopyCheck struct {
	Name     string      `json:"name"` // stable: "empty", "grants", …
	Verdict  CopyVerdict `json:"verdict"`
	What     string      `json:"what"`
	Remedy   string      `json:"remedy,omitempty"`   // what to do about it
	Override string      `json:"override,omitempty"` // the word that lets it pass, if one does
}

// CopyInquiry is what is looked at before a copy.
type CopyInquiry struct {
	Target, Source Member
	Discard, Lock  bool // as in Copying
}

// RateBytes is Rate in whole bytes a second.
func (c CopyProgress) RateBytes() uint64 { return uint64(c.Rate()) }
