//! Two texts side by side, line by line, for people.

/// Lines of context around a difference.
const CONTEXT: usize = 3;

/// The lines of `old` that are gone (`-`), those of `new` that came (`+`), and what is around them. Empty when equal.
pub fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let marked = mark(&old, &new);
    let near = |at: usize| {
        let around = marked.iter().skip(at.saturating_sub(CONTEXT)).take(2 * CONTEXT + 1);
        around.into_iter().any(|(mark, _)| *mark != ' ')
    };
    let shown = marked.iter().enumerate().filter(|(at, _)| near(*at));
    shown.flat_map(|(_, (mark, line))| [mark.to_string(), format!(" {line}\n")]).collect()
}

/// Marks every line of both as kept, gone or new, along a longest common subsequence.
fn mark<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let table = common(old, new);
    let at = |i: usize, j: usize| table.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    let (mut i, mut j, mut marked) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(gone), Some(came)) if gone == came => {
                marked.push((' ', *gone));
                i += 1;
                j += 1;
            }
            (Some(gone), Some(_)) if at(i + 1, j) >= at(i, j + 1) => {
                marked.push(('-', *gone));
                i += 1;
            }
            (_, Some(came)) => {
                marked.push(('+', *came));
                j += 1;
            }
            (Some(gone), None) => {
                marked.push(('-', *gone));
                i += 1;
            }
            (None, None) => return marked,
        }
    }
}

/// `table[i][j]`: the length of the longest common subsequence of `old[i..]` and `new[j..]`.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; new.len() + 1]];
    for gone in old.iter().rev() {
        let below = table.last().cloned().unwrap_or_default();
        let mut row = vec![0; new.len() + 1];
        for (j, came) in new.iter().enumerate().rev() {
            let value = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(0);
            let best = if gone == came { value(&below, j + 1) + 1 } else { value(&below, j).max(value(&row, j + 1)) };
            if let Some(cell) = row.get_mut(j) {
                *cell = best;
            }
        }
        table.push(row);
    }
    table.reverse();
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(lines("a\nb\n", "a\nb\n"), "");
    }

    #[test]
    fn what_went_and_what_came_is_marked_with_its_surroundings() {
        assert_eq!(
            lines("1\n2\n3\n4\n5\n6\n7\nx\n9", "1\n2\n3\n4\n5\n6\n7\ny\nz\n9"),
            "  5\n  6\n  7\n- x\n+ y\n+ z\n  9\n"
        );
        assert_eq!(lines("a\n", ""), "- a\n");
        assert_eq!(lines("", "a\n"), "+ a\n");
    }
}
