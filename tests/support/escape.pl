# Starts processes as fast as it can: escape.pl SHAPE. They sleep, and end with the namespace at the latest.
use strict;
use warnings;
use POSIX ();

# System calls by their numbers here; clone's flags are the first argument on these machines.
my %calls = (x86_64 => {clone => 56, prctl => 157}, aarch64 => {clone => 220, prctl => 167});
my $calls = $calls{(POSIX::uname())[4]} or exit 77;
my ($CLONE_PARENT, $SIGCHLD, $PR_SET_CHILD_SUBREAPER) = (0x8000, 17, 36);
my $MOST = 400;
my $shape = shift;

sub rest { exec 'sleep', '1000' }

# Makes orphans: children that start one process each and end.
sub hand_over {
    my $child = fork;
    return waitpid $child, 0 if $child;
    rest() unless fork;
    POSIX::_exit(0);
}

# Makes many, and then none any more.
sub many {
    my $make = shift;
    for (1 .. $MOST) { $make->(); select undef, undef, undef, 0.001 }
    sleep 1000 while 1;
}

if ($shape eq 'double') {
    many(\&hand_over);
} elsif ($shape eq 'subreaper') {
    syscall $calls->{prctl}, $PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0;
    $SIG{CHLD} = 'IGNORE';
    many(sub { hand_over() });
} elsif ($shape eq 'sibling') {
    # Makes children of our parent in the tree, and then of init.
    unless (fork) {
        many(sub { rest() if syscall($calls->{clone}, $CLONE_PARENT | $SIGCHLD, 0, 0, 0, 0) == 0 });
    }
    select undef, undef, undef, 0.3;
    sleep 1000 while 1;
} elsif ($shape eq 'handler') {
    # On TERM it starts others, which ignore TERM.
    my $count = 0;
    $SIG{TERM} = sub {
        for (1 .. 5) { unless (fork) { $SIG{TERM} = 'IGNORE'; unless (fork) { rest() } POSIX::_exit(0) } }
    };
    unless (fork) { rest() }
    while ($count < $MOST) { $count++; select undef, undef, undef, 0.01 }
    sleep 1000 while 1;
}
