# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion of efsbridge(1) for bash, installed where bash-completion looks
# for it; or source it from ~/.bashrc.

_efsbridge()
{
	local cur=${COMP_WORDS[COMP_CWORD]}
	local prev=${COMP_WORDS[COMP_CWORD - 1]}

	# bash splits --verify=all into three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	case $prev in
	--verify)
		mapfile -t COMPREPLY < <(compgen -W 'transferred all none' -- "$cur")
		return
		;;
	--transfer-mode)
		mapfile -t COMPREPLY < <(compgen -W 'changed all' -- "$cur")
		return
		;;
	--deleted)
		mapfile -t COMPREPLY < <(compgen -W 'keep remove' -- "$cur")
		return
		;;
	--overwrite)
		mapfile -t COMPREPLY < <(compgen -W 'always never' -- "$cur")
		return
		;;
	--config)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--state)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-o | --options)
		mapfile -t COMPREPLY < <(compgen -W 'allow_other attr_timeout=
			entry_timeout= fsname= hard negative_timeout= noallow_other
			noauto_unmount noexec ro soft syncdir= timeo=' -- "$cur")
		return
		;;
	--include-from | --exclude-from | --files-from)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--report)
		mapfile -t COMPREPLY < <(compgen -W 'none summary standard' -- "$cur")
		return
		;;
	--report-level | --report-transferred | --report-verified | \
		--report-skipped | --report-deleted)
		mapfile -t COMPREPLY < <(compgen -W 'errors all' -- "$cur")
		return
		;;
	--log)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -W 'stderr syslog journal cloudwatch:' -- "$cur"
			compgen -f -- "$cur")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'off basic transfer' -- "$cur")
		return
		;;
	--log-format)
		mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur")
		return
		;;
	--report-to)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--include | --exclude | --task | --jobs | --interval | --bwlimit | \
		--iops-limit | --retries | --max-errors | --max-duration | --max-wait)
		return
		;;
	esac

	if [[ $cur == -* ]]; then
		local options='--config --help --version'
		case ${COMP_WORDS[1]} in
		sync)
			options+=' --bwlimit --deleted --dry-run --exclude --exclude-from
				--files-from --from0 --include --include-from --iops-limit --jobs --json
				--log --log-format --log-level
				--max-delete --max-duration --max-errors --max-wait --metrics-file
				--new-root --no-atime --no-mode --no-owner --no-queue --no-times
				--overwrite --quiet --report
				--report-deleted --report-level --report-skipped --report-to
				--report-transferred --report-verified --retries --state
				--task --transfer-mode --verbose --verify'
			;;
		cutover)
			options+=' --bwlimit --deleted --exclude --exclude-from --include
				--include-from --iops-limit --jobs --json
				--log --log-format --log-level --max-delete
				--max-duration --max-errors --max-wait --new-root --no-atime
				--no-mode --no-owner --no-queue --no-times --overwrite --quiet
				--report
				--report-deleted --report-level --report-skipped --report-to
				--report-transferred --report-verified --retries --state --task
				--transfer-mode --verbose --verify'
			;;
		verify)
			options+=' --exclude --exclude-from --files-from --from0
				--include --include-from
				--jobs --json --log --log-format --log-level
				--new-root --no-mode --no-owner --no-queue --no-times
				--quiet --state --task'
			;;
		check)
			options+=' --json --no-connect --no-mode --no-owner --no-times
				--quiet'
			;;
		estimate)
			options+=' --json --quiet --sample --state --task'
			;;
		status) options+=' --json --state --task --watch' ;;
		history) options+=' --json --state --task' ;;
		report) options+=' --csv --html --json --state --task' ;;
		set) options+=' --state --task' ;;
		*)
			options+=' --bwlimit --debug --deleted --exclude --exclude-from
				--files-from --foreground --from0 --include --include-from --interval
				--iops-limit --jobs --log --log-format --log-level
				--max-delete --max-duration
				--max-errors --max-wait --new-root --no-atime --no-mode --no-owner
				--no-queue --no-sync --no-times
				--once --options --overwrite --quiet --report
				--report-deleted --report-level --report-skipped --report-to
				--report-transferred --report-verified --retries --state
				--task --transfer-mode --verbose --verify'
			;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif ((COMP_CWORD == 1)); then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -W 'sync verify cutover check estimate status history report set' -- "$cur"
			compgen -d -- "$cur")
	else
		# A source or a destination may be a local directory, too.
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
	fi
}

complete -F _efsbridge efsbridge
