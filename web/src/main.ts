// Starts the app in its page. Everything else is App's and the Shell's.
import { mount } from 'svelte'
import App from './App.svelte'
import './styles/tokens.css'
import './styles/base.css'
import './styles/controls.css'

const target = document.getElementById('app')
if (!target) throw new Error('the page has no #app')

mount(App, { target })
