//! How long processes are on a core, which holds where others take the cores.

use std::{fs, process};

/// Of Linux, whatever its configuration.
const TICKS_A_SECOND: f64 = 100.0;

/// How long this process was, its threads included.
pub fn of_this_process() -> f64 {
    seconds_of(process::id(), &[UTIME, STIME])
}

/// How long a server's process and its children were, those that have ended too; nothing where it
/// is not on this machine.
pub fn of_server(process: Option<u32>) -> f64 {
    let Some(process) = process else {
        return 0.0;
    };
    let ended = seconds_of(process, &[UTIME, STIME, CHILDREN_UTIME, CHILDREN_STIME]);
    let alive = children(process);
    let alive = alive
        .iter()
        .map(|child| seconds_of(*child, &[UTIME, STIME]));
    ended + alive.sum::<f64>()
}

/// Where these stand behind the name in `/proc/<process>/stat`.
const PARENT: usize = 1;
const UTIME: usize = 11;
const STIME: usize = 12;
const CHILDREN_UTIME: usize = 13;
const CHILDREN_STIME: usize = 14;

/// The process that started this one.
pub fn parent(process: u32) -> Option<u32> {
    Some(number(process, PARENT) as u32).filter(|parent| *parent > 1)
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

fn seconds_of(process: u32, fields: &[usize]) -> f64 {
    let ticks = fields.iter().map(|field| number(process, *field));
    ticks.sum::<f64>() / TICKS_A_SECOND
}

fn number(process: u32, field: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may hold anything but a last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = fields.split_whitespace().nth(field);
    field.and_then(|field| field.parse().ok()).unwrap_or(0.0)
}
