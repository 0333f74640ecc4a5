package lease

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME of clock_gettime(2): as CLOCK_MONOTONIC, which Go
// uses, and it runs on while the machine is suspended. A proxy that wakes up must
// not take the lease from before its sleep for a living one.
const clockBoottime = 7

// boottime returns the time since the machine was started.
func boottime() time.Duration {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 { // since Linux 2.6.39 it can not be
		panic("lease: CLOCK_BOOTTIME: " + errno.Error())
	}
	return time.Duration(ts.Nano())
}
