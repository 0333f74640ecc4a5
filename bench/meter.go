package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc (USER_HZ, 100 on all architectures that
// Linux supports today).
const tick = 10 * time.Millisecond

// cpuTime is CPU time of a process.
type cpuTime struct{ User, System time.Duration }

func (c cpuTime) total() time.Duration { return c.User + c.System }

func (c cpuTime) minus(o cpuTime) cpuTime { return cpuTime{c.User - o.User, c.System - o.System} }

func (c cpuTime) plus(o cpuTime) cpuTime { return cpuTime{c.User + o.User, c.System + o.System} }

// processCPU returns the CPU time of a process with all its threads, ended ones
// included (proc(5), /proc/pid/stat: utime and stime are fields 14 and 15).
func processCPU(pid int) (cpuTime, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return cpuTime{}, err
	}
	return parseStat(text)
}

func parseStat(text []byte) (cpuTime, error) {
	// The name, field 2, may hold anything; the last bracket ends it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return cpuTime{}, fmt.Errorf("/proc/pid/stat has %d fields", len(fields)+2)
	}
	user, err1 := strconv.ParseInt(fields[utime], 10, 64)
	system, err2 := strconv.ParseInt(fields[stime], 10, 64)
	if err1 != nil || err2 != nil {
		return cpuTime{}, fmt.Errorf("/proc/pid/stat: %q, %q are no times", fields[utime], fields[stime])
	}
	return cpuTime{time.Duration(user) * tick, time.Duration(system) * tick}, nil
}

// machineBusy returns the CPU time of all cores that was not idle (proc(5),
// /proc/stat: user nice system idle iowait irq softirq steal). Stolen time counts:
// it is lost to us as well.
func machineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var busy time.Duration
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 { // idle, iowait
			busy += time.Duration(n) * tick
		}
	}
	return busy, nil
}

// memory is the size of a process.
type memory struct {
	RSS  int64 // KiB, from smaps_rollup
	Peak int64 // KiB, VmHWM: highest RSS since resetPeak
}

func processMemory(pid int) (memory, error) {
	var m memory
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, err
	}
	st, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	if m.RSS, err = kibOf(rollup, "Rss:"); err != nil {
		return m, err
	}
	m.Peak, err = kibOf(st, "VmHWM:")
	return m, err
}

// kibOf returns the number behind name in a file of lines "Name:  123 kB".
func kibOf(text []byte, name string) (int64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		}
	}
	return 0, fmt.Errorf("no line %s", name)
}

// resetPeak lets VmHWM count from now (proc(5), /proc/pid/clear_refs: 5).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o600)
}

// meter reads the CPU time of all our processes at once.
type meter struct {
	Proxy  int   // pid; 0: none
	Server int   // the owner
	Client int   // who makes the load
	Others []int // further processes of ours
}

// reading is the state of a meter at one moment.
type reading struct {
	at                           time.Time
	proxy, server, client, other cpuTime
	busy                         time.Duration
}

// usage is what lies between two readings.
type usage struct {
	Proxy, Server, Client cpuTime
	Seconds               float64
	Busy, Foreign         float64 // cores
}

func (m meter) read() (reading, error) {
	r := reading{at: time.Now()}
	var err error
	if r.busy, err = machineBusy(); err != nil {
		return r, err
	}
	one := func(pid int, into *cpuTime) {
		if pid == 0 || err != nil {
			return
		}
		var c cpuTime
		if c, err = processCPU(pid); err == nil {
			*into = into.plus(c)
		}
	}
	one(m.Proxy, &r.proxy)
	one(m.Server, &r.server)
	one(m.Client, &r.client)
	for _, pid := range m.Others {
		one(pid, &r.other)
	}
	return r, err
}

// since returns what was used from a reading to a later one.
func (later reading) since(r reading) usage {
	seconds := later.at.Sub(r.at).Seconds()
	u := usage{
		Proxy: later.proxy.minus(r.proxy), Server: later.server.minus(r.server), Client: later.client.minus(r.client),
		Seconds: seconds,
	}
	if seconds <= 0 {
		return u
	}
	ours := u.Proxy.total() + u.Server.total() + u.Client.total() + later.other.minus(r.other).total()
	u.Busy = (later.busy - r.busy).Seconds() / seconds
	u.Foreign = max(0, (later.busy-r.busy-ours).Seconds()/seconds)
	return u
}
