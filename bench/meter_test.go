package main

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "77 (evil) name (x)) S 1 77 77 0 -1 4194560 100 0 0 0 1234 567 1 2 20 0 1 0 100 1000 100\n"
	got, err := parseStat([]byte(line))
	want := cpuTime{12340 * time.Millisecond, 5670 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "77 (x) S 1 2", "77 (x) S 1 77 77 0 -1 4194560 100 0 0 0 many 567 1"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v and no error", bad, got)
		}
	}
}

func TestKibOf(t *testing.T) {
	const text = "Name:\thaproxy\nVmHWM:\t   15520 kB\nVmRSS:\t   100 kB\n"
	if got, err := kibOf([]byte(text), "VmHWM:"); err != nil || got != 15520 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := kibOf([]byte(text), "Rss:"); err == nil {
		t.Error("a line that is not there has no error")
	}
}

// TestMeterSeesOurselves: CPU that this process burns is its own, not foreign.
func TestMeterSeesOurselves(t *testing.T) {
	m := meter{Client: self()}
	begin, err := m.read()
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); {
		continue
	}
	end, err := m.read()
	if err != nil {
		t.Fatal(err)
	}
	u := end.since(begin)
	if u.Client.total() < 30*time.Millisecond {
		t.Errorf("%v of CPU after 300 ms of work", u.Client.total())
	}
	if u.Busy < u.Foreign {
		t.Errorf("%.2f cores busy, %.2f of them foreign", u.Busy, u.Foreign)
	}
	mem, err := processMemory(self())
	if err != nil || mem.RSS <= 0 || mem.Peak < mem.RSS/2 {
		t.Errorf("memory %+v, %v", mem, err)
	}
}

// TestUsageArithmetic: what is not ours is foreign, and never negative.
func TestUsageArithmetic(t *testing.T) {
	at := time.Now()
	second := func(n float64) cpuTime { return cpuTime{User: time.Duration(n * float64(time.Second))} }
	begin := reading{at: at, busy: 10 * time.Second}
	end := reading{
		at: at.Add(2 * time.Second), busy: 14 * time.Second,
		proxy: second(1), server: second(0.5), client: second(0.5), other: second(0.5),
	}
	u := end.since(begin)
	if u.Busy != 2 || u.Foreign != 0.75 {
		t.Errorf("busy %v, foreign %v; want 2 and 0.75", u.Busy, u.Foreign)
	}
	var s sample
	s.count(u, 1000)
	if s.Proxy != 1000 || s.ProxyUser != 1000 || s.Server != 500 {
		t.Errorf("per unit: %v %v %v", s.Proxy, s.ProxyUser, s.Server)
	}
	end.busy = 11 * time.Second
	if u := end.since(begin); u.Foreign != 0 {
		t.Errorf("foreign %v, want 0", u.Foreign)
	}
}
