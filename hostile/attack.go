package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// attack is one way to be a nuisance.
type attack struct {
	name, what string
	clients    int           // at once
	round      time.Duration // 0: as configured
	run        func(ctx context.Context, w *attacker, i int)
	prepare    func() // before its time begins; nil: nothing

	// bounds
	memoryKiB  int64         // that the node may grow by at its peak
	wait       time.Duration // that a client of the attack may be kept waiting for the end of it
	slower     time.Duration // that neighbours' logins may be, at the 99th percentile; 0: no bound
	unnoticed  bool          // members may see no failed login
	unanswered bool          // what the attack sends has no answer: that none comes is right
}

// order is what a process that attacks is told.
type order struct {
	Spec      spec
	Attack    string
	For       time.Duration
	Strangers int
}

// tally is what an attack did, and how it was answered.
type tally struct {
	Done    int            `json:"done"`    // times
	Answers map[string]int `json:"answers"` // by error number: "closed", "waiting", "ok"
	Longest time.Duration  `json:"longest"` // that anybody was kept
	Bytes   int64          `json:"bytes"`   // that were sent, where that matters
}

// attacker is a process that attacks.
type attacker struct {
	order
	mu sync.Mutex
	t  tally
}

// answered counts an answer, and how long it took.
func (w *attacker) answered(number int, took time.Duration) {
	name := strconv.Itoa(number)
	switch number {
	case 0:
		name = "ok"
	case closed:
		name = "closed"
	case waiting:
		name = "waiting"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Done++
	w.t.Answers[name]++
	w.t.Longest = max(w.t.Longest, took)
}

func (w *attacker) sent(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Bytes += n
}

// child is a process that attacks: it reads its order and writes its tally.
func child(in io.Reader, out io.Writer) int {
	w := attacker{t: tally{Answers: map[string]int{}}}
	if err := json.NewDecoder(in).Decode(&w.order); err != nil {
		fmt.Fprintln(os.Stderr, "hostile: order:", err)
		return 1
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19) // it may fail: then the figures are worse
	i := slices.IndexFunc(attacks(), func(a attack) bool { return a.name == w.Attack })
	if i < 0 {
		fmt.Fprintf(os.Stderr, "hostile: there is no attack %q\n", w.Attack)
		return 1
	}
	a := attacks()[i]
	if a.prepare != nil {
		a.prepare()
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.For)
	defer cancel()
	clients := a.clients
	if clients == 0 {
		clients = w.Strangers
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { a.run(ctx, &w, i) })
	}
	all.Wait()
	if err := json.NewEncoder(out).Encode(w.t); err != nil {
		return 1
	}
	return 0
}

// launch runs the attack in a process of its own.
func (a attack) launch(ctx context.Context, self string, o order) (tally, error) {
	var t tally
	text, err := json.Marshal(o)
	if err != nil {
		return t, err
	}
	if self == "" {
		if self, err = os.Executable(); err != nil {
			return t, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.For+2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, childFlag)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &errs
	if err := cmd.Run(); err != nil {
		return t, fmt.Errorf("attack: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	return t, json.Unmarshal(out.Bytes(), &t)
}

// outcome is what an attack has come to.
type outcome struct {
	attack
	tally
	quiet, busy noticed
	before      memory
	grown       int64 // KiB at the peak
	denied      int   // failed logins that a member has seen
	broken      []string
}

// measure runs rounds without the attack and with it, in turns.
func (a attack) measure(ctx context.Context, o options, t *target, n *neighbours) (outcome, error) {
	out := outcome{attack: a, tally: tally{Answers: map[string]int{}}}
	d := a.round
	if d == 0 || o.Short {
		d = o.Round
	}
	for range o.Rounds {
		out.quiet.add(n.during(ctx, o.Round))
		denied, err := t.deniedAtMember()
		if err != nil {
			return out, err
		}
		before, err := t.memory()
		if err != nil {
			return out, err
		}
		if err := t.resetPeak(); err != nil {
			return out, err
		}
		type result struct {
			tally
			error
		}
		done := make(chan result, 1)
		go func() {
			tally, err := a.launch(ctx, o.Attackers, order{Spec: t.spec, Attack: a.name, For: d, Strangers: o.Strangers})
			done <- result{tally, err}
		}()
		out.busy.add(n.during(ctx, d))
		r := <-done
		if r.error != nil {
			return out, r.error
		}
		out.merge(r.tally)
		after, err := t.memory()
		if err != nil {
			return out, err
		}
		if grown := after.Peak - before.RSS; grown > out.grown || out.before.RSS == 0 {
			out.grown, out.before = grown, before
		}
		now, err := t.deniedAtMember()
		if err != nil {
			return out, err
		}
		out.denied += now - denied
	}
	out.judge()
	return out, ctx.Err()
}

func (o *outcome) merge(t tally) {
	o.Done += t.Done
	o.Bytes += t.Bytes
	o.Longest = max(o.Longest, t.Longest)
	for name, n := range t.Answers {
		o.Answers[name] += n
	}
}

// judge compares with the attack's bounds.
func (o *outcome) judge() {
	fault := func(format string, args ...any) { o.broken = append(o.broken, fmt.Sprintf(format, args...)) }
	if o.Done == 0 {
		fault("nothing was done")
	}
	if o.grown > o.memoryKiB {
		fault("memory grew by %d KiB, more than %d", o.grown, o.memoryKiB)
	}
	if o.Longest > o.wait {
		fault("somebody was kept for %v, longer than %v", o.Longest.Round(time.Millisecond), o.wait)
	}
	if n := o.Answers["waiting"]; n > 0 && !o.unanswered {
		fault("%d were left waiting", n)
	}
	if o.unnoticed && o.denied > 0 {
		fault("a member has seen %d failed logins", o.denied)
	}
	if p := percentile(o.busy.logins, 0.99) - percentile(o.quiet.logins, 0.99); o.slower > 0 && p > o.slower {
		fault("neighbours' logins take %v more, more than %v", p.Round(time.Millisecond), o.slower)
	}
	if n := o.quiet.failed + o.busy.failed; n > 0 {
		fault("neighbours failed %d times: %v", n, o.busy.why)
	}
}

// answersText lists how the attack was answered.
func (t tally) answersText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Answers)) {
		parts = append(parts, fmt.Sprintf("%s×%d", name, t.Answers[name]))
	}
	return strings.Join(parts, " ")
}

// deniedAtMember returns how many logins have failed at the owner since it was started.
func (t *target) deniedAtMember() (int, error) {
	c, err := t.login("", t.Password, 0)
	if err != nil {
		return 0, err
	}
	defer c.net.Close() //nolint:errcheck // it was read from
	text, err := c.value("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
